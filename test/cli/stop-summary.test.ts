import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderStopped } from '../../src/cli/stop-summary.ts'
import type { OutputSnapshot } from '../../src/delivery/reporting/output-snapshot.ts'
import type { RelaySnapshot } from '../../src/relay/snapshot.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../support/service-snapshot.ts'

const NO_OUTCOME = {
  delivered: 9,
  refused: 0,
  'dead-lettered': 0,
  dropped: 0,
  withdrawn: 0,
  filtered: 7,
}
const NO_DROP = {
  'backlog-full': 0,
  'one-attempt': 0,
  'over-mtu': 0,
  'send-error': 0,
  'log-lost': 0,
  shutdown: 0,
}
const NO_REFUSAL = Object.fromEntries(
  Object.keys(relaySnapshot().refusedWrites).map((reason) => [reason, 0]),
) as RelaySnapshot['refusedWrites']

function wellOutput(parts: Partial<OutputSnapshot> = {}): OutputSnapshot {
  return outputSnapshot({ outcomeLines: NO_OUTCOME, droppedLines: NO_DROP, ...parts })
}

function service(
  parts: {
    readonly relay?: Partial<RelaySnapshot>
    readonly output?: Partial<OutputSnapshot>
    readonly counters?: Readonly<Record<string, number>>
  } = {},
) {
  const outputs = [wellOutput(parts.output)]
  const relay = relaySnapshot({ refusedWrites: NO_REFUSAL, outputs, ...parts.relay })
  return serviceSnapshot({
    relays: [relay],
    listeners: [{ relay: relay.name, counters: parts.counters ?? {} }],
  })
}

test('everything was delivered: said only where nothing came that was not', () => {
  assert.equal(renderStopped(service(), false), 'stopped; everything was delivered')
  assert.equal(renderStopped(service(), true), 'stopped')
})

const LOSSES: readonly (readonly [string, Parameters<typeof service>[0]])[] = [
  ['2 writes answered 503', { relay: { refusedWrites: { ...NO_REFUSAL, overloaded: 2 } } }],
  ['1 write answered 503', { counters: { memoryFullRequests: 1 } }],
  ['3 writes answered 503', { counters: { rateLimitedRequests: 1, tooManyRequests: 2 } }],
  [
    '4 datagrams not taken',
    { relay: { kind: 'udp', refusedWrites: { ...NO_REFUSAL, 'backlog-full': 4 } } },
  ],
  ['5 bad lines of datagrams dropped', { counters: { receivedDatagrams: 9, refusedLines: 5 } }],
  ['6 datagrams dropped by the system', { counters: { systemDroppedDatagrams: 6 } }],
  [
    '7 lines answered 503 and taken back from outputs',
    { output: { outcomeLines: { ...NO_OUTCOME, withdrawn: 7 } } },
  ],
  ['8 lines refused by outputs', { output: { outcomeLines: { ...NO_OUTCOME, refused: 8 } } }],
  [
    '9 lines kept as dead letters',
    { output: { outcomeLines: { ...NO_OUTCOME, 'dead-lettered': 9 } } },
  ],
  ['1 line missed by outputs', { output: { droppedLines: { ...NO_DROP, 'over-mtu': 1 } } }],
]
for (const [said, parts] of LOSSES) {
  test(`not delivered, and told: ${said}`, () => {
    const what = `since the start: ${said}`
    assert.equal(renderStopped(service(parts), true), `stopped; ${what}`)
    assert.equal(
      renderStopped(service(parts), false),
      `stopped; nothing is left to deliver; ${what}`,
    )
  })
}

test('refused lines of HTTP clients, who know, and what the stop dropped, told before, are no losses', () => {
  const known = service({
    output: { droppedLines: { ...NO_DROP, shutdown: 5 } },
    counters: { refusedLines: 5, writeRequests: 1 },
  })
  assert.equal(renderStopped(known, true), 'stopped')
})
