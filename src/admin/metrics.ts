/**
 * Snapshot → metrics: every number under its name, with unit and meaning.
 *
 * Names are `relay_<noun>_<unit>_total`; the process's own numbers keep the names that ready-made
 * dashboards look for. G10 can be checked from outside:
 *
 *     relay_output_accepted_lines_total
 *       = sum of relay_output_lines_total over all outcomes + relay_output_pending_lines
 */

import type { DiskLogSnapshot } from '../log/disk-log-snapshot.ts'
import type { RelaySnapshot } from '../relay/snapshot.ts'
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
  ])
}

function serviceFamilies(service: ServiceSnapshot): Family[] {
  return [
    gauge('relay_build_info', 'Always 1; the version is in the label.', [
      { labels: { version: service.version }, value: 1 },
    ]),
    gauge(
      'relay_memory_used_bytes',
      'Bodies in progress and backlogs in memory, of all relays together.',
      one(service.memoryUsedBytes),
    ),
    gauge(
      'relay_memory_limit_bytes',
      'max-memory-mb; at it outputs read from disk, with log-dir; else writes are answered 503.',
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
      'Writes taken into the log.',
      each((relay) => relay.acceptedWrites),
    ),
    counter(
      'relay_accepted_lines_total',
      'Lines taken into the log.',
      each((relay) => relay.acceptedLines),
    ),
    counter(
      'relay_accepted_bytes_total',
      'Body bytes taken into the log, unpacked.',
      each((relay) => relay.acceptedBytes),
    ),
    counter(
      'relay_refused_writes_total',
      'Writes not taken into the log, by reason.',
      relays.flatMap((relay) => spread({ relay: relay.name }, 'reason', relay.refusedWrites)),
    ),
    counter(
      'relay_disputed_writes_total',
      'Writes of which one output has refused more lines than another: they differ now.',
      each((relay) => relay.disputedWrites),
    ),
    gauge(
      'relay_log_writes',
      'Writes that some output still owes.',
      each((relay) => relay.logWrites),
    ),
    gauge(
      'relay_log_bytes',
      'Bytes that some output still owes.',
      each((relay) => relay.logBytes),
    ),
    gauge(
      'relay_streams',
      'Databases with something pending.',
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
      'Of the log on disk, all segments.',
      each((disk) => disk.bytes),
    ),
    gauge(
      'relay_log_disk_limit_bytes',
      'log-max-mb; near it the output that is furthest behind gives up its oldest.',
      each((disk) => disk.limitBytes),
    ),
    gauge(
      'relay_log_disk_segments',
      'Files of the log on disk.',
      each((disk) => disk.segments),
    ),
    counter(
      'relay_log_disk_syncs_total',
      'Groups of writes that were synced.',
      each((disk) => disk.syncedGroups),
    ),
    counter(
      'relay_log_disk_damaged_bytes_total',
      'Bytes of damage that were skipped, and kept in quarantine.',
      each((disk) => disk.damagedBytes),
    ),
    gauge(
      'relay_log_disk_torn_bytes',
      'Bytes that a crash had left behind the last record, at the start.',
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
      'How often the wall clock was set, by more than a second; timestamps follow it at once.',
      one(clockSteps),
    ),
    gauge(
      'process_start_time_seconds',
      'When it started, in seconds since the Unix epoch.',
      one(startedAtMs / MS_PER_S),
    ),
    gauge('process_resident_memory_bytes', 'Memory in RAM.', one(stats.residentBytes)),
    counter('process_cpu_seconds_total', 'CPU time, user and system.', one(stats.cpuSeconds)),
    gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.', one(stats.heapUsedBytes)),
    gauge(
      'nodejs_eventloop_lag_p50_seconds',
      'How late timers were since the last scrape, median.',
      one(stats.eventLoopDelayP50S),
    ),
    gauge(
      'nodejs_eventloop_lag_p99_seconds',
      'How late timers were since the last scrape, 99th percentile.',
      one(stats.eventLoopDelayP99S),
    ),
    gauge(
      'nodejs_eventloop_lag_max_seconds',
      'How late timers were since the last scrape, worst.',
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
