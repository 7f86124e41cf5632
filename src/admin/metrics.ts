/**
 * Snapshot → metrics: every number under its name, with unit and meaning.
 *
 * Names are `relay_<noun>_<unit>_total`; the process's own numbers keep the names that ready-made
 * dashboards look for. G10 can be checked from outside:
 *
 *     relay_output_accepted_lines_total
 *       = sum of relay_output_lines_total over all outcomes + relay_output_pending_lines
 */

import type { OutputSnapshot } from '../outputs/output-snapshot.ts'
import type { RelaySnapshot } from '../relay/relay.ts'
import type { ProcessStats } from './process-stats.ts'
import { type Family, renderFamilies, type Sample } from './prometheus-text.ts'
import type { ServiceSnapshot } from './snapshot.ts'

const MS_PER_S = 1000

/** Pure: equal snapshots give equal text. */
export function renderMetrics(service: ServiceSnapshot, stats: ProcessStats): string {
  return renderFamilies([
    ...serviceFamilies(service),
    ...relayFamilies(service.relays),
    ...outputStateFamilies(service.relays),
    ...outputLineFamilies(service.relays),
    ...outputAttemptFamilies(service.relays),
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
      'max-memory-mb; at this bound writes are answered 503.',
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

function outputStateFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    gauge(
      'relay_output_info',
      'Always 1; kind and location are in the labels.',
      outputsOf(relays).map(({ labels, output }) => ({
        labels: { ...labels, kind: output.kind, location: output.location },
        value: 1,
      })),
    ),
    gauge(
      'relay_output_up',
      '1 while it answers.',
      each((output) => Number(output.isUp)),
    ),
    gauge(
      'relay_output_behind',
      '1 while it is up and works off what it missed; it has no vote then.',
      each((output) => Number(output.isBehind)),
    ),
    gauge(
      'relay_output_state_age_seconds',
      'How long it has been up, or down.',
      each((output) => output.stateAgeMs / MS_PER_S),
    ),
    gauge(
      'relay_output_pending_writes',
      'Writes that it still owes.',
      each((output) => output.pendingWrites),
    ),
    gauge(
      'relay_output_pending_bytes',
      'Bytes that it still owes.',
      each((output) => output.pendingBytes),
    ),
    gauge(
      'relay_output_bound_bytes',
      'Its backlog bound; 0 = one attempt for each write.',
      each((output) => output.boundBytes),
    ),
    gauge(
      'relay_output_oldest_pending_seconds',
      'Age of the oldest write that it still owes.',
      each((output) => output.oldestPendingAgeMs / MS_PER_S),
    ),
    ...outputHoldFamilies(relays),
  ]
}

function outputHoldFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    gauge(
      'relay_output_holds',
      'Databases and retention policies that are missing there, and not elsewhere.',
      each((output) => output.holds),
    ),
    gauge(
      'relay_output_held_writes',
      'Pending writes that wait for such a database.',
      each((output) => output.heldWrites),
    ),
    gauge(
      'relay_output_held_bytes',
      'Their bytes.',
      each((output) => output.heldBytes),
    ),
  ]
}

function outputLineFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    counter(
      'relay_output_accepted_lines_total',
      'Lines it was given: pending, or counted under exactly one outcome.',
      each((output) => output.acceptedLines),
    ),
    gauge(
      'relay_output_pending_lines',
      'Lines that it still owes.',
      each((output) => output.pendingLines),
    ),
    counter(
      'relay_output_lines_total',
      'Lines it is through with, by outcome.',
      outputsOf(relays).flatMap(({ labels, output }) =>
        spread(labels, 'outcome', output.outcomeLines),
      ),
    ),
    counter(
      'relay_output_dropped_lines_total',
      'Lines of the outcome "dropped", by reason.',
      outputsOf(relays).flatMap(({ labels, output }) =>
        spread(labels, 'reason', output.droppedLines),
      ),
    ),
  ]
}

function outputAttemptFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    counter(
      'relay_output_attempts_total',
      'Requests, datagram batches or file appends tried.',
      each((output) => output.attempts),
    ),
    counter(
      'relay_output_failed_attempts_total',
      'Attempts that failed in a way that may pass.',
      each((output) => output.failedAttempts),
    ),
    counter(
      'relay_output_timed_out_attempts_total',
      'Attempts that ran into the timeout of the output.',
      each((output) => output.timedOutAttempts),
    ),
    counter(
      'relay_output_split_batches_total',
      'Requests that were refused or failed, and sent again in two halves.',
      each((output) => output.splitBatches),
    ),
    counter(
      'relay_output_sent_bytes_total',
      'Body bytes of all attempts, before compression.',
      each((output) => output.sentBytes),
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

function processFamilies({ startedAtMs }: ServiceSnapshot, stats: ProcessStats): Family[] {
  return [
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

interface LabelledOutput {
  readonly labels: { readonly relay: string; readonly output: string }
  readonly output: OutputSnapshot
}

function outputsOf(relays: readonly RelaySnapshot[]): LabelledOutput[] {
  return relays.flatMap((relay) =>
    relay.outputs.map((output) => ({ labels: { relay: relay.name, output: output.name }, output })),
  )
}

function eachOutput(relays: readonly RelaySnapshot[]) {
  return (read: (output: OutputSnapshot) => number): Sample[] =>
    outputsOf(relays).map(({ labels, output }) => ({ labels, value: read(output) }))
}

/**
 * One sample for each entry of a record, its key in the label `name`. Underscores, as in metric
 * names.
 */
function spread(
  labels: Readonly<Record<string, string>>,
  name: string,
  values: Readonly<Record<string, number>>,
): Sample[] {
  return Object.entries(values).map(([key, value]) => ({
    labels: { ...labels, [name]: key.replaceAll('-', '_') },
    value,
  }))
}

function one(value: number): Sample[] {
  return [{ labels: {}, value }]
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'counter', help, samples }
}

function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', help, samples }
}

/** `tooLargeRequests` → `too_large_requests`, `answers5xx` → `answers_5xx`. */
function snakeCase(name: string): string {
  return name
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    .replace(/([a-z])(\d)/g, '$1_$2')
    .replace(/\W/g, '_')
}
