/**
 * Renders a snapshot as metrics: every number with name, unit and meaning.
 *
 * Names are `relay_<noun>_<unit>_total`; metrics of the process have the names that ready-made
 * dashboards expect. G10 can be checked from outside:
 *
 *     relay_output_accepted_lines_total
 *       = sum of relay_output_lines_total over all outcomes + relay_output_pending_lines
 */

import type { DiskLogSnapshot } from '../log/disk-log-snapshot.ts'
import type { RelaySnapshot } from '../relay/snapshot.ts'
import { formerFamilies } from './former-metrics.ts'
import { outputFamilies } from './output-metrics.ts'
import type { ProcessStats } from './process-stats.ts'
import {
  counter,
  type Family,
  gauge,
  one,
  renderFamilies,
  type Sample,
  spread,
} from './prometheus-text.ts'
import type { ServiceSnapshot } from './snapshot.ts'

const MS_PER_S = 1000

/** Pure: equal snapshots give equal text. */
export function renderMetrics(service: ServiceSnapshot, stats: ProcessStats): string {
  return renderFamilies([
    ...serviceFamilies(service),
    ...relayFamilies(service.relays),
    ...diskFamilies(service.relays),
    ...outputFamilies(service.relays),
    ...listenerFamilies(service),
    ...processFamilies(service, stats),
    ...formerFamilies(service.relays),
  ])
}

function serviceFamilies(service: ServiceSnapshot): Family[] {
  return [
    gauge('relay_build_info', 'Always 1; the version is in the label.', [
      { labels: { version: service.version }, value: 1 },
    ]),
    gauge(
      'relay_memory_used_bytes',
      'What all relays together hold for clients and outputs: docs/memory.md.',
      one(service.memoryUsedBytes),
    ),
    gauge(
      'relay_memory_limit_bytes',
      'max-memory-mb, or half of the heap limit. Writes may take seven eighths of it.',
      one(service.memoryLimitBytes),
    ),
  ]
}

function relayFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = (read: (relay: RelaySnapshot) => number): Sample[] =>
    relays.map((relay) => ({ labels: { relay: relay.name }, value: read(relay) }))
  return [
    counter(
      'relay_accepted_writes_total',
      'Writes appended to the log.',
      each((relay) => relay.acceptedWrites),
    ),
    counter(
      'relay_accepted_lines_total',
      'Lines appended to the log.',
      each((relay) => relay.acceptedLines),
    ),
    counter(
      'relay_accepted_bytes_total',
      'Body bytes appended to the log, uncompressed.',
      each((relay) => relay.acceptedBytes),
    ),
    counter(
      'relay_refused_writes_total',
      'Writes not appended to the log, by reason.',
      relays.flatMap((relay) => spread({ relay: relay.name }, 'reason', relay.refusedWrites)),
    ),
    counter(
      'relay_diverged_writes_total',
      'Writes of which the outputs refused different lines: their data has diverged.',
      each((relay) => relay.divergedWrites),
    ),
    gauge(
      'relay_log_writes',
      'Writes that at least one output has not finished.',
      each((relay) => relay.logWrites),
    ),
    gauge(
      'relay_log_bytes',
      'Bytes that at least one output has not finished.',
      each((relay) => relay.logBytes),
    ),
    gauge(
      'relay_streams',
      'Databases with pending writes.',
      each((relay) => relay.streams),
    ),
  ]
}

function diskFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = (read: (disk: DiskLogSnapshot) => number): Sample[] =>
    relays.flatMap(({ name, disk }) => {
      return disk === undefined ? [] : [{ labels: { relay: name }, value: read(disk) }]
    })
  return [
    gauge(
      'relay_log_disk_bytes',
      'Size of all segments of the log on disk.',
      each((disk) => disk.bytes),
    ),
    gauge(
      'relay_log_disk_limit_bytes',
      'log-max-mb; near it the output that is furthest behind gives up its oldest.',
      each((disk) => disk.limitBytes),
    ),
    gauge(
      'relay_log_disk_segments',
      'Number of segments of the log on disk.',
      each((disk) => disk.segments),
    ),
    counter(
      'relay_log_disk_syncs_total',
      'Syncs of the log on disk, each for a group of writes.',
      each((disk) => disk.syncedGroups),
    ),
    counter(
      'relay_log_disk_damaged_bytes_total',
      'Damaged bytes that were skipped and moved to quarantine.',
      each((disk) => disk.damagedBytes),
    ),
    gauge(
      'relay_log_disk_torn_bytes',
      'Bytes after the last record that a crash had left, found at the start.',
      each((disk) => disk.tornBytes),
    ),
    gauge(
      'relay_log_disk_failing',
      '1 while the disk does not take what is written.',
      each((disk) => Number(disk.isFailing)),
    ),
  ]
}

function listenerFamilies({ listeners }: ServiceSnapshot): Family[] {
  const names = new Set(listeners.flatMap(({ counters }) => Object.keys(counters)))
  return [...names].map((name) =>
    counter(
      `relay_listener_${snakeCase(name)}_total`,
      `Listener: ${snakeCase(name).replaceAll('_', ' ')}.`,
      listeners.flatMap(({ relay, counters }) => {
        const value = counters[name]
        return value === undefined ? [] : [{ labels: { relay }, value }]
      }),
    ),
  )
}

function processFamilies(
  { startedAtMs, clockSteps }: ServiceSnapshot,
  stats: ProcessStats,
): Family[] {
  return [
    counter(
      'relay_clock_steps_total',
      'Steps of the wall clock by more than a second; timestamps follow the clock at once.',
      one(clockSteps),
    ),
    gauge(
      'process_start_time_seconds',
      'Start time of the process, in seconds since the Unix epoch.',
      one(startedAtMs / MS_PER_S),
    ),
    gauge('process_resident_memory_bytes', 'Memory in RAM.', one(stats.residentBytes)),
    counter('process_cpu_seconds_total', 'CPU time, user and system.', one(stats.cpuSeconds)),
    gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', one(stats.heapUsedBytes)),
    gauge(
      'nodejs_eventloop_lag_p50_seconds',
      'Delay of timers since the last scrape, median.',
      one(stats.eventLoopDelayP50S),
    ),
    gauge(
      'nodejs_eventloop_lag_p99_seconds',
      'Delay of timers since the last scrape, 99th percentile.',
      one(stats.eventLoopDelayP99S),
    ),
    gauge(
      'nodejs_eventloop_lag_max_seconds',
      'Delay of timers since the last scrape, maximum.',
      one(stats.eventLoopDelayMaxS),
    ),
  ]
}

/** `tooLargeRequests` → `too_large_requests`, `answers5xx` → `answers_5xx`. */
function snakeCase(name: string): string {
  return name
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replace(/([a-z])(\d)/g, '$1_$2')
    .replace(/\W/g, '_')
}
