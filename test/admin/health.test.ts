import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderReadiness, renderServiceHealth } from '../../src/admin/health.ts'
import type { OutputSnapshot } from '../../src/delivery/reporting/output-snapshot.ts'
import type { RelaySnapshot } from '../../src/relay/snapshot.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../support/service-snapshot.ts'

const UP = outputSnapshot()
const DOWN = outputSnapshot({
  name: 'b',
  isUp: false,
  isInSync: false,
  downCause: 'connect ECONNREFUSED',
  stateAgeMs: 90_000,
  pendingLines: 70,
  oldestPendingAgeMs: 89_000,
})

function statusOf(...relays: readonly RelaySnapshot[]): number {
  return renderServiceHealth(serviceSnapshot({ relays })).status
}

test('health passes while every HTTP relay has an output that is up', () => {
  assert.equal(statusOf(), 200)
  assert.equal(statusOf(relaySnapshot({ outputs: [UP] })), 200)
  assert.equal(statusOf(relaySnapshot({ outputs: [UP, DOWN] })), 200)
  assert.equal(statusOf(relaySnapshot({ outputs: [DOWN] })), 503)
  assert.equal(statusOf(relaySnapshot({ outputs: [] })), 503)
  assert.equal(
    statusOf(relaySnapshot({ outputs: [UP] }), relaySnapshot({ outputs: [DOWN, DOWN] })),
    503,
  )
  // A UDP relay has nobody to answer: restarting it for an output that is down would only lose
  // data.
  assert.equal(statusOf(relaySnapshot({ kind: 'udp', outputs: [DOWN] })), 200)
})

test('health tells of every output whether it is up, since when not, why, and what it owes', () => {
  const relays = [relaySnapshot({ outputs: [UP, DOWN] })]
  assert.deepEqual(renderServiceHealth(serviceSnapshot({ relays })).body, {
    name: 'line-relay',
    status: 'pass',
    message: 'ready for writes; 1 of 2 outputs down: "b"',
    version: '1.2.3',
    relays: [
      {
        name: 'main',
        outputs: [
          {
            name: 'a',
            up: true,
            in_sync: true,
            behind: false,
            cause: '',
            down_for_s: 0,
            pending_lines: 10,
            lag_writes: 9,
            lag_bytes: 74_096,
            unread_writes: 7,
            unread_bytes: 70_000,
            oldest_pending_s: 0.25,
            backlog_full: false,
          },
          {
            name: 'b',
            up: false,
            in_sync: false,
            behind: true,
            cause: 'connect ECONNREFUSED',
            down_for_s: 90,
            pending_lines: 70,
            lag_writes: 9,
            lag_bytes: 74_096,
            unread_writes: 7,
            unread_bytes: 70_000,
            oldest_pending_s: 89,
            backlog_full: false,
          },
        ],
      },
    ],
  })
})

test('failing health names the relays that answer 503, and those that keep what they are sent', () => {
  const dark = relaySnapshot({ name: 'dark', outputs: [DOWN], takesWrites: false })
  const kept = relaySnapshot({ name: 'kept', outputs: [DOWN] })
  const failing = (...relays: RelaySnapshot[]) => {
    const { message, status } = renderServiceHealth(serviceSnapshot({ relays })).body
    assert.equal(status, 'fail')
    return message
  }
  const closed = 'no output is up at relay "dark"; writes are answered 503'
  assert.equal(failing(relaySnapshot(), dark), closed)
  const open = 'no output is up at relay "kept"; writes are kept in its log on disk'
  assert.equal(failing(kept), open)
  assert.equal(failing(kept, dark), `${closed}; ${open}`)
})

test('a relay whose log on disk cannot be written is not called ready, nor said to keep anything', () => {
  const told = (output: OutputSnapshot, loss: 'none' | 'taken') => {
    const disk = {
      ...{ bytes: 1, limitBytes: 2, segments: 1, syncedGroups: 0, damagedBytes: 0, tornBytes: 0 },
      ...{ isFailing: true, loss, unkeptWrites: new Map(), lostWrites: new Map(), orphans: [] },
    }
    const parts = { name: 'x', outputs: [output], disk }
    const service = serviceSnapshot({ relays: [relaySnapshot(parts)] })
    const health = renderServiceHealth(service)
    assert.equal(health.status, 503)
    assert.equal(health.body.status, 'fail')
    const ready = renderReadiness(service)
    assert.equal(ready.status, 503)
    assert.equal(ready.body.status, 'failing')
    return [health.body.message, ready.body.message]
  }
  const what = 'relay "x" answers writes 503 while its log on disk cannot be written'
  assert.deepEqual(told(UP, 'none'), [`${what}; 1 output up`, what])
  const dark = 'no output is up at relay "x"; writes are answered 503'
  assert.deepEqual(told(DOWN, 'none'), [dark, what])
  const restart = 'until it is restarted: another process has its log on disk'
  const taken = `relay "x" answers writes 503 ${restart}`
  assert.deepEqual(told(UP, 'taken'), [`${taken}; 1 output up`, taken])
})

test('a relay that needs more outputs than are up is not called ready', () => {
  const all = relaySnapshot({ name: 'all', outputs: [UP, DOWN], takesWrites: false })
  const { message } = renderServiceHealth(serviceSnapshot({ relays: [all] })).body
  const what = 'relay "all" answers writes 503 until enough outputs are up and up to date'
  assert.equal(message, `${what}; 1 of 2 outputs down: "b"`)
})

test('outputs that are down are named with their relay where there are several', () => {
  const down = { isUp: false, name: 'b' }
  const web = relaySnapshot({ name: 'web', outputs: [outputSnapshot(), outputSnapshot(down)] })
  const datagrams = relaySnapshot({ name: 'datagrams', kind: 'udp', outputs: web.outputs })
  const said = (...relays: RelaySnapshot[]) => {
    return renderServiceHealth(serviceSnapshot({ relays })).body.message
  }
  assert.equal(said(web), 'ready for writes; 1 of 2 outputs down: "b"')
  assert.equal(
    said(web, datagrams),
    'ready for writes; 2 of 4 outputs down: "b" of relay "web", "b" of relay "datagrams"',
  )
})

test('health warns of an output whose full backlog has writes refused, and passes', () => {
  const full = outputSnapshot({ name: 'b', isRefusing: true })
  const web = relaySnapshot({ name: 'web', outputs: [outputSnapshot(), full] })
  const { body, status } = renderServiceHealth(serviceSnapshot({ relays: [web] }))
  assert.deepEqual([status, body.status], [200, 'pass'])
  const why = 'while the backlog of output "b" is full (buffer-size-mb)'
  assert.equal(body.message, `relay "web" answers writes 503 ${why}; 2 outputs up`)
  const isFull = body.relays[0]?.outputs.map(({ name, backlog_full }) => [name, backlog_full])
  assert.deepEqual(isFull, [
    ['a', false],
    ['b', true],
  ])

  const udp = relaySnapshot({ name: 'udp', kind: 'udp', outputs: [full] })
  const other = renderServiceHealth(serviceSnapshot({ relays: [relaySnapshot(), udp] })).body
  assert.equal(other.message, `relay "udp" refuses datagrams ${why}; 2 outputs up`)
})
