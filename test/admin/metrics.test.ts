import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderMetrics } from '../../src/admin/metrics.ts'
import type { ProcessStats } from '../../src/admin/process-stats.ts'
import { outputSnapshot, relaySnapshot, serviceSnapshot } from '../support/service-snapshot.ts'

const STATS: ProcessStats = {
  residentBytes: 50_000_000,
  heapUsedBytes: 20_000_000,
  cpuSeconds: 1.25,
  eventLoopDelayP50S: 0.001,
  eventLoopDelayP99S: 0.002,
  eventLoopDelayMaxS: 0.01,
}

/**
 * Series by name and labels, as a scraper reads them. Fails on anything that the format forbids.
 */
function parse(text: string): Map<string, number> {
  const series = new Map<string, number>()
  const families = new Set<string>()
  let family = ''
  for (const line of text.trimEnd().split('\n')) {
    const help = /^# HELP ([a-z_][a-z0-9_]*) \S.*$/.exec(line)
    const type = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge)$/.exec(line)
    if (help !== null) {
      family = help[1] ?? ''
      assert(!families.has(family), `a family stands in one piece: ${family}`)
      families.add(family)
    } else if (type !== null) {
      assert.equal(type[1], family)
      assert.equal(type[2] === 'counter', family.endsWith('_total'), `${line}: counters end so`)
    } else {
      const sample = /^([a-z0-9_]+)(\{.*\})? (-?[\d.]+(?:e[-+]\d+)?)$/.exec(line)
      assert(sample !== null, `no sample: ${line}`)
      assert.equal(sample[1], family)
      const key = `${sample[1]}${sample[2] ?? ''}`
      assert(!series.has(key), `twice: ${key}`)
      series.set(key, Number(sample[3]))
    }
  }
  assert(text.endsWith('\n'))
  return series
}

test('the metrics are valid text format 0.0.4: each family once, with help and type', () => {
  const relays = [
    relaySnapshot(),
    relaySnapshot({ name: 'other', outputs: [outputSnapshot(), outputSnapshot({ name: 'b' })] }),
  ]
  const listeners = [
    { relay: 'main', counters: { requests: 7, refusedConnections: 1, answers5xx: 4 } },
    { relay: 'other', counters: { requests: 8, datagrams: 9 } },
  ]
  const series = parse(renderMetrics(serviceSnapshot({ relays, listeners }), STATS))

  assert.equal(series.get('relay_accepted_lines_total{relay="main"}'), 100)
  assert.equal(series.get('relay_refused_writes_total{relay="main",reason="no_output_up"}'), 3)
  assert.equal(series.get('relay_output_up{relay="other",output="b"}'), 1)
  assert.equal(series.get('relay_output_oldest_pending_seconds{relay="main",output="a"}'), 0.25)
  const refusals = 'relay_output_backlog_full_refusals_total'
  assert.equal(series.get(`${refusals}{relay="main",output="a"}`), 2)
  assert.equal(series.get('relay_listener_refused_connections_total{relay="main"}'), 1)
  assert.equal(series.get('relay_listener_answers_5xx_total{relay="main"}'), 4)
  assert.equal(series.get('relay_listener_requests_total{relay="other"}'), 8)
  assert.equal(series.get('relay_listener_datagrams_total{relay="other"}'), 9)
  assert.equal(series.get('relay_build_info{version="1.2.3"}'), 1)
  assert.equal(series.get('process_start_time_seconds'), 1_790_000_000.5)
  assert.equal(series.get('process_resident_memory_bytes'), 50_000_000)
})

test('G10 can be checked from outside: accepted = pending + the sum over the outcomes', () => {
  const series = parse(renderMetrics(serviceSnapshot(), STATS))
  const labels = 'relay="main",output="a"'
  const outcomes = [...series].filter(([key]) => key.startsWith('relay_output_lines_total{'))
  assert.equal(outcomes.length, 6)
  const through = outcomes.reduce((sum, [, lines]) => sum + lines, 0)
  const pending = series.get(`relay_output_pending_lines{${labels}}`) ?? Number.NaN
  assert.equal(series.get(`relay_output_accepted_lines_total{${labels}}`), through + pending)

  const dropped = [...series].filter(([key]) => key.startsWith('relay_output_dropped_lines_total{'))
  assert.equal(
    dropped.reduce((sum, [, lines]) => sum + lines, 0),
    series.get(`relay_output_lines_total{${labels},outcome="dropped"}`),
  )
})

test('names from the configuration cannot break out of their label', () => {
  const name = 'a"} 1\nevil\\'
  const outputs = [outputSnapshot({ name })]
  const text = renderMetrics(serviceSnapshot({ relays: [relaySnapshot({ outputs })] }), STATS)
  const series = parse(text)
  assert.equal(series.get('relay_output_up{relay="main",output="a\\"} 1\\nevil\\\\"}'), 1)
})

test('a service without relays, and a relay without outputs, have metrics too', () => {
  parse(renderMetrics(serviceSnapshot({ relays: [] }), STATS))
  parse(renderMetrics(serviceSnapshot({ relays: [relaySnapshot({ outputs: [] })] }), STATS))
})

test('dead letters: what is there, how old, and what was removed by whom; none without a log', () => {
  const none = parse(renderMetrics(serviceSnapshot({ relays: [relaySnapshot()] }), STATS))
  assert(![...none.keys()].some((key) => key.startsWith('relay_dead_letters')))
  const deadLetters = {
    ...{ letters: 3, lines: 40, isCounting: false, oldestAgeMs: 90_500 },
    ...{ bytes: 70_000, limitBytes: 1_000_000, damagedBytes: 12 },
    removed: {
      lost: { letters: 6, lines: 7 },
      dropped: { letters: 5, lines: 50 },
      replayed: { letters: 6, lines: 60 },
      purged: { letters: 7, lines: 70 },
    },
  }
  const relay = relaySnapshot({ outputs: [outputSnapshot({ deadLetters })] })
  const series = parse(renderMetrics(serviceSnapshot({ relays: [relay] }), STATS))
  const expected = {
    '': 3,
    _lines: 40,
    _bytes: 70_000,
    _limit_bytes: 1_000_000,
    _oldest_seconds: 90.5,
    _damaged_bytes: 12,
    _dropped_total: 5,
    _dropped_lines_total: 50,
    _lost_total: 6,
    _lost_lines_total: 7,
    _replayed_total: 6,
    _purged_total: 7,
  }
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(series.get(`relay_dead_letters${name}{relay="main",output="a"}`), value, name)
  }
})

test('metrics that were renamed keep their former names beside the new ones', () => {
  const outputs = [outputSnapshot(), outputSnapshot({ name: 'b', isInSync: false })]
  const relay = relaySnapshot({ outputs, divergedWrites: 4 })
  const series = parse(renderMetrics(serviceSnapshot({ relays: [relay] }), STATS))
  const value = (name: string, output?: string) =>
    series.get(`${name}{relay="main"${output ? `,output="${output}"` : ''}}`)

  assert.equal(value('relay_diverged_writes_total'), 4)
  assert.equal(value('relay_disputed_writes_total'), 4)
  assert.deepEqual([value('relay_output_in_sync', 'a'), value('relay_output_behind', 'a')], [1, 0])
  assert.deepEqual([value('relay_output_in_sync', 'b'), value('relay_output_behind', 'b')], [0, 1])
  assert.equal(value('relay_output_lag_writes', 'a'), 9, 'pending, and of former runs')
  assert.equal(value('relay_output_unread_writes', 'a'), 7)
  assert.equal(value('relay_output_lag_bytes', 'a'), 74_096)
  assert.equal(value('relay_output_unread_bytes', 'a'), 70_000)
})
