/**
 * What is said of an output's trouble is true where it is said, and says what to do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../src/outputs/destination.ts'
import { systemClock } from '../../src/std/clock.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'
import { openDurableRelay, Server } from '../support/durable-relay.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import { DELIVERED, MISSING, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, writeOf } from '../support/scripted-relay.ts'
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
    /^output "b": its user may not write to database "db" \(403 bob .*; grant it that$/,
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
    assert.match(lines.at(-1) ?? '', /^output "b": waits no longer for database "db": /)
  })
}
