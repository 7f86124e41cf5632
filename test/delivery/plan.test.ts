/** The table of what follows from a verdict: a row for each policy of the drain loop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterEntry } from '../../src/delivery/filter.ts'
import { type KnownVerdict, planAfter, type StreamFacts } from '../../src/delivery/plan.ts'
import { Batch, type BatchTraits } from '../../src/delivery/stream/batch.ts'
import type { RetryVerdict } from '../../src/destinations/destination.ts'
import { MemoryLog } from '../../src/log/memory-log.ts'
import { MemoryBudget } from '../../src/std/memory-budget.ts'
import { refusedReply } from '../../src/write/reply.ts'
import type { Write } from '../../src/write/write.ts'
import { statementOf } from '../support/fresh-server.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { writeOf } from '../support/scripted-relay.ts'

const LOG = new MemoryLog({
  memory: new MemoryBudget(1e6),
  clock: new ManualClock(),
  outputCount: 1,
})
const FACTS: StreamFacts = {
  hasOneAttempt: false,
  failures: 2,
  setAsideCount: 0,
  hasMore: true,
  isOfCandidate: false,
  canHold: true,
}
const REPLY = refusedReply(400, 'no')
const FAILURE: RetryVerdict = {
  kind: 'retry',
  why: 'answered 500',
  retryAfterMs: undefined,
  hasBegun: true,
  isDown: false,
  evidence: 'error',
}
const DELIVERED = { kind: 'delivered', body: '', lost: [] } as const
const RESETS_MAX = 3
const SPLITS_MAX = 256

let sequence = 0
function batchOf(writes: readonly Write[], traits: Partial<BatchTraits> = {}): Batch {
  const slices = writes.map((write) => filterEntry(LOG.appendStored(write, ++sequence), []))
  return new Batch(
    slices.filter((slice) => slice !== undefined),
    traits,
  )
}

const line = () => writeOf('m v=1 1\n')
const one = (traits?: Partial<BatchTraits>) => batchOf([line()], traits)
const twoLines = (traits?: Partial<BatchTraits>) => batchOf([writeOf('m v=1 1\nm v=2 2\n')], traits)
const twoWrites = () => batchOf([line(), line()])
const statement = () => batchOf([statementOf('db')])
const opaque = () => {
  const { target, body, lineCount, receivedAtMs } = line()
  return batchOf([{ kind: 'opaque', headers: {}, target, body, lineCount, receivedAtMs }])
}

function failed(batch: Batch, times = RESETS_MAX): Batch {
  for (let count = 0; count < times; count++) batch.noteEvidence('reset', 'it was reset')
  return batch
}

function stored(batch: Batch, times: number): Batch {
  batch.storedCount = times
  return batch
}

function exhausted(batch: Batch): Batch {
  for (let count = 0; count < SPLITS_MAX; count++) batch.onlySlice?.delivery.split()
  return batch
}

interface Row {
  readonly verdict: KnownVerdict
  readonly head: Batch
  readonly facts?: Partial<StreamFacts>
  readonly plan: object
}

const partly = {
  kind: 'partly',
  reply: REPLY,
  refusedCount: 1,
  cause: { kind: 'unknown' },
} as const
const UNEXPLAINED = { ...partly, partitioned: undefined }
const EXPLAINED = { ...partly, partitioned: [] }
const isFinal = { kind: 'store', verdict: DELIVERED }
const aside = (isStored: boolean) => ({ kind: 'set-aside', isStored })
const backOff = (isTold: boolean) => ({ kind: 'back-off', isTold })
const REJECTED = { kind: 'reject', reply: REPLY }

const ROWS: Readonly<Record<string, Row>> = {
  'what is stored is final': { verdict: DELIVERED, head: one(), plan: isFinal },
  'lines that the server may still be writing are stored once: sent again': {
    verdict: DELIVERED,
    head: stored(one({ mayStillBeApplied: true }), 1),
    plan: { kind: 'send-again' },
  },
  'and stored twice: final': {
    verdict: DELIVERED,
    head: stored(one({ mayStillBeApplied: true }), 2),
    plan: isFinal,
  },
  'a candidate that is stored behind another one is not final': {
    verdict: DELIVERED,
    head: failed(one()),
    facts: { setAsideCount: 1 },
    plan: aside(true),
  },
  'a candidate that is stored with none before it is final': {
    verdict: DELIVERED,
    head: failed(one()),
    plan: isFinal,
  },
  'a write that is stored behind candidates ends their pass': {
    verdict: DELIVERED,
    head: one(),
    facts: { setAsideCount: 2 },
    plan: { kind: 'complete-pass', verdict: DELIVERED },
  },
  'a statement proves nothing about candidates': {
    verdict: DELIVERED,
    head: statement(),
    facts: { setAsideCount: 2 },
    plan: isFinal,
  },
  'the first reset in a row is retried at once': {
    verdict: { ...FAILURE, evidence: 'reset' },
    head: one(),
    facts: { failures: 1 },
    plan: { kind: 'send-again' },
  },
  'also where a write has one attempt': {
    verdict: { ...FAILURE, evidence: 'reset' },
    head: one(),
    facts: { failures: 1, hasOneAttempt: true },
    plan: { kind: 'send-again' },
  },
  'one attempt: a failure drops the batch': {
    verdict: FAILURE,
    head: one(),
    facts: { hasOneAttempt: true },
    plan: { kind: 'drop' },
  },
  'one attempt: also when the output is down': {
    verdict: { ...FAILURE, isDown: true, evidence: 'none' },
    head: one(),
    facts: { hasOneAttempt: true },
    plan: { kind: 'drop' },
  },
  'a failure backs off': { verdict: FAILURE, head: one(), plan: backOff(true) },
  'an output that is down is waited for, and candidates are tried anew': {
    verdict: { ...FAILURE, isDown: true, evidence: 'none' },
    head: one(),
    plan: { kind: 'wait-until-up', restartsPass: true },
  },
  'unless a candidate took it down': {
    verdict: { ...FAILURE, isDown: true, evidence: 'reset' },
    head: failed(one()),
    facts: { isOfCandidate: true },
    plan: { kind: 'wait-until-up', restartsPass: false },
  },
  'a candidate is set aside': { verdict: FAILURE, head: failed(one()), plan: aside(false) },
  'not without a successor': {
    verdict: FAILURE,
    head: failed(one()),
    facts: { hasMore: false },
    plan: backOff(true),
  },
  'not beyond sixteen candidates': {
    verdict: FAILURE,
    head: failed(one()),
    facts: { setAsideCount: 16 },
    plan: backOff(true),
  },
  'several lines that fail often are halved, without a pause': {
    verdict: FAILURE,
    head: failed(twoLines()),
    plan: { kind: 'narrow', backsOff: false },
  },
  'several writes that fail often are halved': {
    verdict: FAILURE,
    head: failed(twoWrites()),
    plan: { kind: 'narrow', backsOff: false },
  },
  'with the pause that the server asks for': {
    verdict: { ...FAILURE, retryAfterMs: 1000 },
    head: failed(twoLines()),
    plan: { kind: 'narrow', backsOff: true },
  },
  'several lines that have failed too seldom are not halved': {
    verdict: FAILURE,
    head: failed(twoLines(), RESETS_MAX - 1),
    plan: backOff(true),
  },
  'half of a batch that fails often is halved on its first failure': {
    verdict: FAILURE,
    head: failed(twoLines({ isNarrowed: true }), 1),
    plan: { kind: 'narrow', backsOff: false },
  },
  'a single line of it needs the full count': {
    verdict: FAILURE,
    head: failed(one({ isNarrowed: true }), 1),
    plan: backOff(true),
  },
  'an unconfirmed rejection of lines stops the clients': {
    verdict: { ...FAILURE, evidence: 'unconfirmed' },
    head: one(),
    plan: backOff(true),
  },
  'of an opaque body it does not': {
    verdict: { ...FAILURE, evidence: 'unconfirmed' },
    head: opaque(),
    plan: backOff(false),
  },
  'a missing database is a hold': {
    verdict: { kind: 'hold', scope: 'target', reply: REPLY },
    head: one(),
    plan: { kind: 'hold', reply: REPLY, lacksRights: false },
  },
  'missing rights are a hold': {
    verdict: { kind: 'hold', scope: 'rights', reply: REPLY },
    head: one(),
    plan: { kind: 'hold', reply: REPLY, lacksRights: true },
  },
  'without room for a hold the write is rejected': {
    verdict: { kind: 'hold', scope: 'target', reply: REPLY },
    head: one(),
    facts: { canHold: false },
    plan: REJECTED,
  },
  'a statement is never on hold': {
    verdict: { kind: 'hold', scope: 'target', reply: REPLY },
    head: statement(),
    plan: REJECTED,
  },
  "the output's own credentials are refused: everything waits": {
    verdict: { kind: 'hold', scope: 'output', reply: REPLY },
    head: statement(),
    plan: { kind: 'wait-for-credentials', reply: REPLY },
  },
  'a refusal is final': {
    verdict: { kind: 'refused', reply: REPLY, isUnconfirmed: false },
    head: twoWrites(),
    plan: REJECTED,
  },
  'a refusal that may be of one of several writes splits them': {
    verdict: { kind: 'split', downTo: 'write', reply: REPLY },
    head: twoWrites(),
    plan: { kind: 'halve', downTo: 'write', traits: {}, reply: undefined },
  },
  'down to writes: one write is rejected whole': {
    verdict: { kind: 'split', downTo: 'write', reply: REPLY },
    head: twoLines(),
    plan: REJECTED,
  },
  'down to lines: one write is halved': {
    verdict: { kind: 'split', downTo: 'line', reply: REPLY },
    head: twoLines(),
    plan: { kind: 'halve', downTo: 'line', traits: {}, reply: undefined },
  },
  'down to lines: one line is rejected': {
    verdict: { kind: 'split', downTo: 'line', reply: REPLY },
    head: one(),
    plan: REJECTED,
  },
  'not beyond the number of splits of one write': {
    verdict: { kind: 'split', downTo: 'line', reply: REPLY },
    head: exhausted(twoLines()),
    plan: REJECTED,
  },
  'lines that are known to be refused are rejected': {
    verdict: EXPLAINED,
    head: twoLines(),
    plan: { kind: 'reject-lines', verdict: EXPLAINED },
  },
  'unknown ones are searched for, and the only client is told': {
    verdict: UNEXPLAINED,
    head: twoLines(),
    plan: { kind: 'halve', downTo: 'line', traits: { mayStillBeApplied: true }, reply: REPLY },
  },
  'of several clients none is told': {
    verdict: UNEXPLAINED,
    head: twoWrites(),
    plan: { kind: 'halve', downTo: 'line', traits: { mayStillBeApplied: true }, reply: undefined },
  },
  'where nothing can be halved any more they count as the server counts them': {
    verdict: UNEXPLAINED,
    head: exhausted(twoLines()),
    plan: { kind: 'reject-unexplained', verdict: UNEXPLAINED },
  },
  'a server without the statement has done its part': {
    verdict: { kind: 'unsupported', reply: REPLY },
    head: statement(),
    plan: { kind: 'unsupported', reply: REPLY },
  },
}

for (const [name, { verdict, head, facts, plan }] of Object.entries(ROWS)) {
  test(name, () => assert.deepEqual(planAfter(verdict, head, { ...FACTS, ...facts }), plan))
}
