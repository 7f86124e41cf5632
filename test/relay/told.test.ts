/**
 * What is said of an output's trouble is true where it is said, and says what to do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../src/destinations/destination.ts'
import { systemClock } from '../../src/std/clock.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'
import { openDurableRelay, Server } from '../support/durable-relay.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import {
  DECLINED,
  DELIVERED,
  MISSING,
  ScriptedDestination,
} from '../support/scripted-destination.ts'
import { openTestRelay, type Setup, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

test('a database that no output has, owed over a restart: nobody says that another has it', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  for (const server of servers) server.isUp = false
  const first = await openDurableRelay(folder, servers, { acknowledgement: 'log' })
  const write = { ...writeOf('m v=1 1\n', 'nowhere'), receivedAtMs: systemClock.wallMs() }
  assert.equal((await first.relay.accept(write)).status, 204)
  await first.relay[Symbol.asyncDispose]()
  for (const server of servers) Object.assign(server, { isUp: true, missing: 'nowhere' })
  const { logger, lines } = keepingLogger()
  const { relay } = await openDurableRelay(folder, servers, { logger })
  await using _ = relay
  const held = () => lines.filter((line) => line.includes('"nowhere" is missing there'))
  await until(async () => held().length === 2, { what: 'both outputs miss it' })
  assert.doesNotMatch(lines.join('\n'), /elsewhere/)
  assert.match(held()[0] ?? '', /: its writes are kept for 60 min at most; create it$/)
})

const HOLDS: readonly (readonly [string, Verdict, RegExp])[] = [
  [
    'a database that is not there is to be created',
    MISSING,
    /^output "b": database "db" is missing there \(404 .*\): its writes are kept .*; create it$/,
  ],
  [
    "a database that the output's own user may not write to is not called missing",
    { kind: 'hold', scope: 'rights', reply: refusedReply(403, 'bob is not authorized') },
    /^output "b": its user may not write to database "db" \(403 bob .*; grant that user write access$/,
  ],
]
for (const [name, verdict, said] of HOLDS) {
  test(name, async () => {
    const clock = new ManualClock()
    const { logger, lines } = keepingLogger()
    const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
    b.verdict = () => verdict
    const { relay } = await openTestRelay([a, b], { clock, logger })
    await using _ = relay
    assert.equal((await relay.accept(writeOf('1\n'))).status, 204)
    await clock.advance(1_000)
    assert.match(lines.join('\n'), said)
    b.verdict = () => DELIVERED
    await clock.advance(10_000)
    await turns()
    assert.match(lines.at(-1) ?? '', /^output "b": no longer waits for database "db": /)
  })
}

const DOWN_CASES: readonly {
  readonly name: string
  readonly setup: Setup
  /** What the first and the second output to go down are said to lead to. */
  readonly first: RegExp
  readonly second: RegExp
}[] = [
  {
    name: 'while another output is up the writes of one that is down wait; with none, 503 is said',
    setup: {},
    first: /; its writes wait$/,
    second: /; new writes are answered 503 until enough outputs are up$/,
  },
  {
    name: 'where all outputs have to store a write, the first to be down means 503',
    setup: { relay: { acknowledgement: 'all' } },
    first: /; new writes are answered 503 until enough outputs are up$/,
    second: /; new writes are answered 503 until enough outputs are up$/,
  },
  {
    name: 'an output without a backlog misses what comes while it is down',
    setup: { output: { bufferBytes: 0 } },
    first: /; it misses new writes until it is up \(buffer-size-mb is 0\)$/,
    second: /; new writes are answered 503 until enough outputs are up$/,
  },
]
for (const { name, setup, first, second } of DOWN_CASES) {
  test(name, async () => {
    const clock = new ManualClock()
    const { logger, lines } = keepingLogger()
    const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
    const { relay } = await openTestRelay([a, b], { clock, logger, ...setup })
    await using _ = relay
    for (const [server, said] of [
      [b, first],
      [a, second],
    ] as const) {
      server.isUp = false
      await clock.advance(10_000)
      assert.match(lines.at(-1) ?? '', said)
    }
    assert.equal((await relay.accept(writeOf('1\n'))).status, 503)
    assert.match((await relay.accept(writeOf('1\n'))).error, /no output is up and up to date$/)
  })
}

test('with a log on disk no output need be up for writes to be taken, and nobody says otherwise', async (t) => {
  const { logger, lines } = keepingLogger()
  const servers = [new Server(), new Server()]
  for (const server of servers) server.isUp = false
  const { relay } = await openDurableRelay(await temporaryFolder(t), servers, { logger })
  await using _ = relay
  assert.equal((await relay.accept(writeOf('m v=1 1\n'))).status, 204)
  const down = lines.filter((line) => line.includes('is down'))
  assert.equal(down.length, 2)
  for (const line of down) assert.match(line, /; its writes wait$/)
})

test('a client that is told 503 though one output has its write is not told that none has', async () => {
  const [a, b] = [new ScriptedDestination(), new ScriptedDestination()]
  b.verdict = () => DECLINED
  const { relay } = await openTestRelay([a, b], { relay: { acknowledgement: 'all' } })
  await using _ = relay
  const { status, error } = await relay.accept(writeOf('1\n'))
  assert.deepEqual([status, error], [503, 'unable to write points: too few outputs stored them'])
})
