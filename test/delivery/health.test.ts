/** Health of an output: its states, and what of them can be seen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutputHealth } from '../../src/delivery/health.ts'
import { HealthMessages } from '../../src/delivery/reporting/health-messages.ts'
import { refusedReply } from '../../src/write/reply.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { SILENT } from '../support/scripted-relay.ts'

const REFUSED = refusedReply(401, 'no')

function healthOf(clock: ManualClock, pending: { writes: number; bytes: number }) {
  const options = { name: 'a', bufferBytes: 1, clock, logger: SILENT }
  const seen: string[] = []
  const health = new OutputHealth({
    ...{ delayMaxMs: 1_000, caughtUpBytes: 100, clock, random: () => 1 },
    messages: new HealthMessages({ ...options, takesWrites: () => true }),
    probe: () => Promise.resolve({ isAnswered: false, why: 'refused' }),
    backlog: () => ({ pendingWrites: pending.writes, pendingBytes: pending.bytes }),
    onUp: () => seen.push('up'),
    onDown: () => seen.push('down'),
    onTrial: () => seen.push('trial'),
  })
  return { health, seen }
}

test('an output that comes up with more than one request carries catches up first', () => {
  const { health, seen } = healthOf(new ManualClock(), { writes: 3, bytes: 101 })
  health.markDown('timeout')
  assert.deepEqual([health.isUp, health.isInSync, health.cause], [false, false, 'timeout'])
  health.noteCaughtUp()
  assert.equal(health.isInSync, false, 'what is down is not in sync, however little it owes')

  health.noteAnswer()
  assert.deepEqual([health.isUp, health.isInSync, health.cause], [true, false, ''])
  health.noteCaughtUp()
  assert.equal(health.isInSync, true)
  assert.deepEqual(seen, ['down', 'up'])
})

test('an output that comes up with little to deliver is in sync at once', () => {
  const { health } = healthOf(new ManualClock(), { writes: 1, bytes: 100 })
  health.markDown('timeout')
  health.noteAnswer()
  assert.equal(health.isInSync, true)
})

test('the age of refused credentials goes on over the trials that they fail', async () => {
  const clock = new ManualClock()
  const { health, seen } = healthOf(clock, { writes: 1, bytes: 1 })
  health.markRefusing(REFUSED)
  for (let trials = 1; trials <= 3; trials++) {
    while (!health.isOnTrial) await clock.advance(100)
    health.markRefusing(REFUSED)
    assert.equal(health.isOnTrial, false)
  }
  assert.equal(health.stateAgeMs, clock.monotonicMs())
  assert(health.stateAgeMs > 300)
  assert.equal(seen.filter((each) => each === 'trial').length, 3)

  health.markDown('timeout')
  assert.deepEqual([health.stateAgeMs, health.isOnTrial, health.cause], [0, false, 'timeout'])
})
