/**
 * Whatever outputs do and in whatever order, the relay keeps its books, its order and its word.
 *
 * Two properties over the same steps (writes, statements, waits, outputs that change their ways):
 * under servers that answer anything at all, nothing is settled twice or never; under servers that
 * are honest, though they fail in every way, replicas agree in the end.
 *
 * `FUZZ_MS=60000` for a long run, which tries other steps each time; a failure prints seed and path
 * for fast-check. The short run tries the same ones always: what it finds must be this change's.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { GoRegExp } from '../../src/config/sections/go-regexp.ts'
import {
  ANSWERED,
  type Destination,
  type Payload,
  type ProbeResult,
  type RetryVerdict,
  type SendEvents,
  type Verdict,
} from '../../src/destinations/destination.ts'
import { residentBytes } from '../../src/log/entry.ts'
import { residentStreamBytes } from '../../src/log/memory-log.ts'
import type { Relay } from '../../src/relay/relay.ts'
import type { AckPolicy } from '../../src/write/acks.ts'
import { Client } from '../../src/write/merge-penalty.ts'
import { type Reply, refusedReply } from '../../src/write/reply.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import { IS_LONG_RUN, propertyRuns } from '../support/property-runs.ts'
import { openTestRelay, outputOf, type Setup } from '../support/scripted-relay.ts'

/** The short run tries the same steps always: what it finds must be this change's. */
const SEED = IS_LONG_RUN ? {} : { seed: 1 }

const ACK_TIMEOUT_MS = 4_000
const TIMEOUT_MS = 1_000
/** Virtual time in which outputs that are well have worked off everything. */
const RECOVERY_MS = 900_000
const DATABASES = ['x', 'y'] as const
const POLICIES = ['', 'rp'] as const
const TARGETS = DATABASES.flatMap((database) => POLICIES.map((policy) => `${database}/${policy}`))

/** `bad`: refused alone; `wrong`: with all of its write; `kill`: the server fails at it. */
type Flavour = 'good' | 'bad' | 'wrong' | 'kill'
/** What a server does with whatever it is sent. */
type Mode = 'good' | 'busy' | 'declining' | 'resetting' | 'down' | 'refusing' | 'hung' | 'any'

type Step =
  | {
      readonly kind: 'write'
      readonly target: string
      readonly flavour: Flavour
      readonly lineCount: number
      readonly client: number
      readonly policy: AckPolicy | undefined
    }
  | { readonly kind: 'statement' | 'opaque' | 'datagram'; readonly target: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'mode'; readonly output: number; readonly mode: Mode }

const FAILED = { kind: 'retry', why: 'scripted', retryAfterMs: undefined } as const
const BUSY: RetryVerdict = { ...FAILED, hasBegun: true, isDown: false, evidence: 'error' }
const DECLINED: RetryVerdict = { ...FAILED, hasBegun: false, isDown: false, evidence: 'none' }
const RESET: RetryVerdict = { ...FAILED, hasBegun: true, isDown: false, evidence: 'reset' }
const UNREACHABLE: RetryVerdict = { ...FAILED, hasBegun: false, isDown: true, evidence: 'none' }
const DELIVERED = { kind: 'delivered', body: '', lost: [] } as const
const NO = refusedReply(400, 'partial write: scripted dropped=1')

type Random = () => number

/** mulberry32: enough for tests, and the same everywhere. */
function randomOf(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Line {
  readonly id: number
  readonly flavour: Flavour
}

/** A database that stores ids by target, in the order of arrival, and fails as its mode says. */
/** Several times the longest text of one. */
const TARGET_MAX_BYTES = 2000

class Server implements Destination {
  readonly #clock: ManualClock
  readonly #random: Random
  #mode: Mode = 'good'
  #modeChanged = Promise.withResolvers<void>()
  readonly stored = new Map<string, number[]>()
  readonly missing: Set<string>

  constructor(clock: ManualClock, random: Random, missing: readonly string[]) {
    this.#clock = clock
    this.#random = random
    this.missing = new Set(missing)
  }

  set mode(mode: Mode) {
    this.#mode = mode
    this.#modeChanged.resolve()
    this.#modeChanged = Promise.withResolvers<void>()
  }

  async send(payload: Payload, events: SendEvents): Promise<Verdict> {
    const timer = this.#clock.startTimer(TIMEOUT_MS, () => events.onTimeout())
    while (this.#mode === 'hung') await this.#modeChanged.promise
    const verdict = this.#mode === 'any' ? this.#anything(payload) : this.#judge(payload)
    if (verdict.kind === 'delivered') await this.#pause(this.#random() * 30)
    timer.cancel()
    return verdict
  }

  async probe(): Promise<ProbeResult> {
    return this.#mode === 'down' ? { isAnswered: false, why: 'scripted' } : ANSWERED
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.mode = 'good'
  }

  #judge(payload: Payload): Verdict {
    const lines = payload.writes.flatMap(linesOf)
    switch (this.#mode) {
      case 'down':
        return UNREACHABLE
      case 'declining':
        return DECLINED
      case 'refusing':
        return { kind: 'hold', scope: 'output', reply: refusedReply(401, 'scripted') }
      case 'busy':
      case 'resetting':
        if (this.#random() < 0.3) this.#carryOut(payload, lines)
        return this.#mode === 'busy' ? BUSY : RESET
      default:
        return this.#carryOut(payload, lines)
    }
  }

  #carryOut({ target, writes }: Payload, lines: readonly Line[]): Verdict {
    if (writes[0]?.kind === 'statement') {
      if (this.#random() < 0.2) return { kind: 'unsupported', reply: refusedReply(404, 'scripted') }
      for (const policy of POLICIES) this.missing.delete(`${target.database}/${policy}`)
      return DELIVERED
    }
    const has = (flavour: Flavour) => lines.some((line) => line.flavour === flavour)
    if (has('kill')) return target.database === 'x' ? BUSY : RESET
    if (this.missing.has(nameOf(target))) {
      return { kind: 'hold', scope: 'target', reply: refusedReply(404, 'database not found') }
    }
    if (has('wrong')) return { kind: 'split', downTo: 'write', reply: NO }
    this.#store(
      nameOf(target),
      lines.filter(({ flavour }) => flavour === 'good'),
    )
    if (!has('bad')) return DELIVERED
    const refused = [...lines.keys()].filter((at) => lines[at]?.flavour === 'bad')
    return this.#partly(refused)
  }

  /** Not what a server would do, but what one may have said. */
  #anything(payload: Payload): Verdict {
    const lines = payload.writes.flatMap(linesOf)
    const target = nameOf(payload.target)
    switch (Math.floor(this.#random() * 13)) {
      case 0:
        return { kind: 'split', downTo: 'line', reply: NO }
      case 1:
        return { kind: 'split', downTo: 'write', reply: NO }
      case 2:
        return { kind: 'hold', scope: 'target', reply: refusedReply(404, 'database not found') }
      case 3:
        return { kind: 'hold', scope: 'output', reply: refusedReply(403, 'scripted') }
      case 4:
        return { kind: 'refused', reply: NO, isUnconfirmed: this.#random() < 0.5 }
      case 5:
        return { ...UNREACHABLE, hasBegun: this.#random() < 0.5 }
      case 6:
        return DECLINED
      case 7:
        return BUSY
      case 8:
        return RESET
      case 9: {
        const refused = [...lines.keys()].filter(() => this.#random() < 0.5)
        this.#store(
          target,
          lines.filter((_, at) => !refused.includes(at)),
        )
        return this.#partly(refused)
      }
      case 10: {
        const [write] = payload.writes
        const lost = {
          reason: 'over-mtu',
          writeIndex: 0,
          lineCount: write?.lineCount ?? 1,
        } as const
        return { ...DELIVERED, lost: [lost] }
      }
      default:
        this.#store(target, lines)
        return DELIVERED
    }
  }

  /** Told in one of the ways in which databases tell it. */
  #partly(refused: readonly number[]): Verdict {
    const causes = [
      { kind: 'line-numbers', lines: refused },
      { kind: 'unknown' },
      { kind: 'oldest' },
      { kind: 'field', measurement: 'm', field: 'v', type: 'integer' },
    ] as const
    const isHonest = this.#mode !== 'any'
    const cause = causes[Math.floor(this.#random() * (isHonest ? 2 : causes.length))]
    const refusedCount = this.#random() < 0.2 ? undefined : Math.max(refused.length, 1)
    return { kind: 'partly', reply: NO, refusedCount, cause: cause ?? { kind: 'unknown' } }
  }

  #store(target: string, lines: readonly Line[]): void {
    const stored = this.stored.get(target) ?? []
    stored.push(...lines.map(({ id }) => id))
    this.stored.set(target, stored)
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.startTimer(ms, resolve))
  }
}

function linesOf({ kind, body }: Write): Line[] {
  if (kind !== 'lines') return []
  return [...String(body).matchAll(/,f=(\w+) v=(\d+)i /g)].map(([, flavour, id]) => {
    return { id: Number(id), flavour: flavour as Flavour }
  })
}

function nameOf(target: { readonly database: string; readonly retentionPolicy: string }): string {
  return `${target.database}/${target.retentionPolicy}`
}

interface Accepted {
  readonly target: string
  /** Those of its lines that a database takes. */
  readonly ids: readonly number[]
  readonly acceptedAtMs: number
  reply: Reply | undefined
}

/** A relay, its servers, and what its clients have written and been told. */
class World {
  readonly clock = new ManualClock()
  readonly servers: readonly Server[]
  readonly accepted: Accepted[] = []
  readonly relay: Relay
  readonly memory: { readonly usedBytes: number }
  readonly #clients = Array.from({ length: 3 }, () => new Client())
  #nextId = 1

  /** @param missing per output, what it does not have until it is created */
  static async open(
    seed: number,
    missing: readonly (readonly string[])[],
    setup: Setup,
  ): Promise<World> {
    const clock = new ManualClock()
    const random = randomOf(seed)
    const servers = missing.map((targets) => new Server(clock, random, targets))
    const { relay, memory } = await openTestRelay(servers, {
      ...setup,
      clock,
      output: { timeoutMs: TIMEOUT_MS, ...setup.output },
      relay: { ackTimeoutMs: ACK_TIMEOUT_MS, ...setup.relay },
    })
    return new World(clock, servers, { relay, memory })
  }

  private constructor(
    clock: ManualClock,
    servers: readonly Server[],
    opened: { readonly relay: Relay; readonly memory: { readonly usedBytes: number } },
  ) {
    this.clock = clock
    this.servers = servers
    this.relay = opened.relay
    this.memory = opened.memory
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case 'write':
        this.accept(this.#linesWrite(step), step.policy)
        break
      case 'datagram':
        this.relay.acceptUnanswered(
          this.#linesWrite({ target: step.target, flavour: 'good', lineCount: 1, client: 0 }),
        )
        break
      case 'statement':
      case 'opaque':
        this.accept(otherWrite(step.kind, step.target))
        break
      case 'wait':
        await this.clock.advance(step.ms)
        break
      case 'mode': {
        const server = this.servers[step.output % this.servers.length]
        if (server) server.mode = step.mode
        break
      }
    }
    this.checkBooks()
  }

  accept(write: Write, policy?: AckPolicy): Accepted {
    const lines = linesOf(write)
    const ids = lines.filter(({ flavour }) => flavour === 'good').map(({ id }) => id)
    const isWrong = lines.some(({ flavour }) => flavour === 'wrong')
    const accepted: Accepted = {
      target: nameOf(write.target),
      ids: isWrong ? [] : ids,
      acceptedAtMs: this.clock.monotonicMs(),
      reply: undefined,
    }
    this.accepted.push(accepted)
    void this.relay.accept(write, { policy }).then((reply) => {
      accepted.reply = reply
      const tookMs = this.clock.monotonicMs() - accepted.acceptedAtMs
      assert(tookMs <= ACK_TIMEOUT_MS, `answered after ${tookMs} ms`)
    })
    return accepted
  }

  /** All servers are well from now on; what waits for a successor gets one. */
  async recover(): Promise<void> {
    for (const server of this.servers) {
      server.missing.clear()
      server.mode = 'good'
    }
    const untilMs = this.clock.monotonicMs() + RECOVERY_MS
    while (this.clock.monotonicMs() < untilMs) {
      await this.clock.advance(10_000)
      if (this.#pendingWrites === 0) break
      for (const database of DATABASES) {
        const target = `${database}/`
        this.accept(this.#linesWrite({ target, flavour: 'good', lineCount: 1, client: 2 }))
      }
      await this.clock.advance(10_000)
    }
    await this.clock.advance(ACK_TIMEOUT_MS)
  }

  get #pendingWrites(): number {
    return this.relay.snapshot().outputs.reduce((sum, each) => sum + each.pendingWrites, 0)
  }

  checkBooks(): void {
    const { outputs, logWrites, logBytes, streams } = this.relay.snapshot()
    let owedMin = 0
    for (const { name } of outputs) {
      const output = outputOf(this.relay, name)
      const { pendingWrites, pendingLines, pendingBytes, heldWrites, heldBytes } = output
      const counts = { pendingWrites, pendingLines, pendingBytes, heldWrites, heldBytes }
      const shown = JSON.stringify({ ...counts, ...output.outcomeLines })
      for (const count of Object.values({ ...counts, ...output.outcomeLines })) {
        assert(count >= 0, `${name}: ${shown}`)
      }
      assert(heldWrites <= pendingWrites && heldBytes <= pendingBytes, `${name}: ${shown}`)
      assert.equal(pendingWrites === 0, pendingBytes === 0, `${name}: ${shown}`)
      assert(pendingWrites <= logWrites, `${name}: ${shown}`)
      owedMin = Math.max(owedMin, pendingWrites)
    }
    assert.equal(logWrites === 0, streams === 0)
    const streamBytes = streams * residentStreamBytes(outputs.length)
    const leastBytes = residentBytes(logBytes, logWrites) + streamBytes
    const { usedBytes } = this.memory
    // The rest is what their targets take.
    assert(usedBytes >= leastBytes && usedBytes <= leastBytes + logWrites * TARGET_MAX_BYTES)
    assert.equal(owedMin === 0, logWrites === 0)
  }

  checkEverythingIsSettled(): void {
    this.checkBooks()
    const { outputs, logWrites, streams } = this.relay.snapshot()
    const left = outputs.map(({ pendingWrites, holds }) => ({ pendingWrites, holds }))
    assert.deepEqual(
      left,
      left.map(() => ({ pendingWrites: 0, holds: 0 })),
    )
    assert.deepEqual([logWrites, streams, this.memory.usedBytes], [0, 0, 0])
    assert.equal(this.accepted.filter(({ reply }) => reply === undefined).length, 0, 'no answer')
  }

  /** Repetitions are allowed: what counts is which write of a point comes last. */
  checkOrder(): void {
    for (const [index, server] of this.servers.entries()) {
      for (const [target, ids] of server.stored) {
        const last = lastOccurrences(ids)
        assert.deepEqual(
          last,
          [...last].sort((a, b) => a - b),
          `${target} at output ${index}: ${ids}`,
        )
      }
    }
  }

  checkReplicasAgree(): void {
    for (const target of TARGETS) {
      const [first, ...others] = this.servers.map((server) =>
        lastOccurrences(server.stored.get(target) ?? []),
      )
      for (const other of others) assert.deepEqual(other, first, target)
    }
    for (const { target, ids, reply } of this.accepted) {
      if (reply?.status !== 204) continue
      for (const [index, server] of this.servers.entries()) {
        const stored = new Set(server.stored.get(target))
        assert(
          ids.every((id) => stored.has(id)),
          `a 204 that is not kept: ${ids} at output ${index}`,
        )
      }
    }
  }

  #linesWrite(step: {
    readonly target: string
    readonly flavour: Flavour
    readonly lineCount: number
    readonly client: number
  }): Write {
    const { flavour } = step
    // Taking such a write apart, as a server that fails makes us do, stores what it refuses whole.
    const lineCount = flavour === 'wrong' ? 1 : step.lineCount
    let body = ''
    for (let i = 0; i < lineCount; i++) {
      const id = this.#nextId++
      body += `m,f=${i === lineCount >> 1 ? flavour : 'good'} v=${id}i ${id}\n`
    }
    const client = this.#clients[step.client] ?? new Client()
    const target = targetOf(step.target)
    return { kind: 'lines', target, body: Buffer.from(body), lineCount, receivedAtMs: 0, client }
  }
}

function targetOf(name: string) {
  const [database = '', retentionPolicy = ''] = name.split('/')
  return writeTarget({ database, retentionPolicy, precision: 'ns', credentials: NO_CREDENTIALS })
}

function otherWrite(kind: 'statement' | 'opaque', target: string): Write {
  const body = Buffer.from(kind === 'statement' ? 'CREATE DATABASE' : '\x01\n--7-\n1-2\n\xff 3\n')
  const base = { target: targetOf(target), body, lineCount: 1, receivedAtMs: 0 }
  return kind === 'statement' ? { kind, ...base } : { kind, headers: {}, ...base }
}

function lastOccurrences(ids: readonly number[]): readonly number[] {
  return [...new Set(ids.toReversed())].reverse()
}

function stepsOf(modes: readonly Mode[], others: readonly ('datagram' | 'opaque')[]) {
  const target = fc.constantFrom(...TARGETS)
  const output = fc.nat(2)
  const write = fc.record({
    kind: fc.constant('write' as const),
    target,
    flavour: fc.constantFrom<Flavour>('good', 'good', 'good', 'bad', 'wrong', 'kill'),
    lineCount: fc.integer({ min: 1, max: 5 }),
    client: fc.nat(2),
    policy: fc.constantFrom(undefined, undefined, 'quorum' as const, 'all' as const),
  })
  const wait = fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(0, 1, 20, 300, 1_000, 5_000, 20_000),
  })
  const mode = fc.record({
    kind: fc.constant('mode' as const),
    output,
    mode: fc.constantFrom(...modes),
  })
  const other = fc.record({ kind: fc.constantFrom('statement' as const, ...others), target })
  const step = fc.oneof(
    { arbitrary: write, weight: 8 },
    { arbitrary: wait, weight: 5 },
    { arbitrary: mode, weight: 4 },
    { arbitrary: other, weight: 1 },
  )
  return fc.array(step, { maxLength: 40, size: 'max' }) satisfies fc.Arbitrary<Step[]>
}

const NAMES_WITH_N: GoRegExp = { source: '^n', test: (bytes) => bytes[0] === 0x6e }

/** One to three outputs, and what each does not have at first. */
const missingAt = fc.array(fc.subarray(TARGETS, { maxLength: 2 }), { minLength: 1, maxLength: 3 })

test('whatever outputs answer, every write has one fate at each, and every client an answer', async () => {
  const setup = fc.record({
    output: fc.record({
      bufferBytes: fc.constantFrom(0, 4_000, 1_000_000),
      batchMaxBytes: fc.constantFrom(200, 1_000_000),
      missingDbGraceMs: fc.constantFrom(2_000, 3_600_000),
      filters: fc.constantFrom(
        [],
        [{ measurementExpression: NAMES_WITH_N, tagExpression: undefined }],
      ),
    }),
    memoryBytes: fc.constantFrom(8_000, 1_000_000),
  })
  const modes = ['any', 'any', 'good', 'down', 'hung', 'busy', 'resetting', 'refusing'] as const
  const steps = stepsOf(modes, ['datagram', 'opaque'])
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      missingAt,
      setup,
      steps,
      fc.boolean(),
      async (seed, missing, options, taken, isCutShort) => {
        const world = await World.open(seed, missing, options)
        for (const step of taken) await world.take(step)
        if (!isCutShort) await world.recover()
        await world.relay[Symbol.asyncDispose]()
        await turns()
        world.checkEverythingIsSettled()
      },
    ),
    { ...SEED, ...propertyRuns(200) },
  )
})

test('under outputs that fail in every way and say nothing untrue, replicas agree in the end', async () => {
  const modes = [
    'good',
    'good',
    'busy',
    'declining',
    'resetting',
    'down',
    'refusing',
    'hung',
  ] as const
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      missingAt,
      fc.constantFrom(200, 1_000_000),
      stepsOf(modes, ['datagram']),
      async (seed, missing, batchMaxBytes, taken) => {
        const world = await World.open(seed, missing, { output: { batchMaxBytes } })
        for (const step of taken) await world.take(step)
        await world.recover()
        world.checkEverythingIsSettled()
        world.checkOrder()
        world.checkReplicasAgree()
        await world.relay[Symbol.asyncDispose]()
      },
    ),
    { ...SEED, ...propertyRuns(80) },
  )
})
