/**
 * Metrics of an output: state, lines, attempts. Pure.
 */

import type { OutputSnapshot } from '../delivery/reporting/output-snapshot.ts'
import type { OrphanSnapshot } from '../log/cursors/orphan.ts'
import type { RelaySnapshot } from '../relay/snapshot.ts'
import { deadLetterFamilies } from './dead-letter-metrics.ts'
import { counter, type Family, gauge, type Sample, spread } from './prometheus-text.ts'

const MS_PER_S = 1000

export function outputFamilies(relays: readonly RelaySnapshot[]): Family[] {
  return [
    ...outputStateFamilies(relays),
    ...outputLineFamilies(relays),
    ...outputAttemptFamilies(relays),
    ...deadLetterFamilies(relays),
    ...orphanFamilies(relays),
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
      'relay_output_in_sync',
      '1 while it is up and has caught up: clients wait for its answer.',
      each((output) => Number(output.isInSync)),
    ),
    gauge(
      'relay_output_state_age_seconds',
      'Time since the output went up or down.',
      each((output) => output.stateAgeMs / MS_PER_S),
    ),
    gauge(
      'relay_output_pending_writes',
      'Writes in the backlog of the output.',
      each((output) => output.pendingWrites),
    ),
    gauge(
      'relay_output_pending_bytes',
      'Bytes in the backlog of the output.',
      each((output) => output.pendingBytes),
    ),
    gauge(
      'relay_output_lag_writes',
      'Writes in the log that the output is not done with: pending ones, and those of former runs.',
      each((output) => output.pendingWrites + output.formerLagWrites),
    ),
    gauge(
      'relay_output_lag_bytes',
      'Bytes of these writes.',
      each((output) => output.pendingBytes + output.formerLagBytes),
    ),
    gauge(
      'relay_output_bound_bytes',
      'Backlog limit of the output; 0 = one attempt for each write.',
      each((output) => output.boundBytes),
    ),
    gauge(
      'relay_output_oldest_pending_seconds',
      'Age of the oldest write in the backlog of the output.',
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
      'Databases and retention policies missing on the server, or closed to its user.',
      each((output) => output.holds),
    ),
    gauge(
      'relay_output_held_writes',
      'Pending writes that wait for such a database.',
      each((output) => output.heldWrites),
    ),
    gauge(
      'relay_output_held_bytes',
      'Bytes of these pending writes.',
      each((output) => output.heldBytes),
    ),
  ]
}

function outputLineFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    counter(
      'relay_output_accepted_lines_total',
      'Lines for this output: pending, or counted under exactly one outcome.',
      each((output) => output.acceptedLines),
    ),
    gauge(
      'relay_output_pending_lines',
      'Lines in the backlog of the output.',
      each((output) => output.pendingLines),
    ),
    counter(
      'relay_output_lines_total',
      'Finished lines, by outcome.',
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
      'Attempts that failed with a temporary error.',
      each((output) => output.failedAttempts),
    ),
    counter(
      'relay_output_timed_out_attempts_total',
      'Attempts that exceeded the timeout of the output.',
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
    counter(
      'relay_output_backlog_full_refusals_total',
      'Writes that the relay refused because the backlog of this output was full.',
      each((output) => output.backlogFullRefusals),
    ),
  ]
}

/** Outputs that are no longer configured but still have a position in a log on disk. */
function orphanFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = (read: (orphan: OrphanSnapshot) => number): Sample[] =>
    relays.flatMap(({ name, disk }) => {
      return (disk?.orphans ?? []).map((orphan) => {
        return { labels: { relay: name, output: orphan.output }, value: read(orphan) }
      })
    })
  return [
    gauge(
      'relay_orphan_kept_writes',
      'Writes of the log, by number, kept for an output that is no longer configured.',
      each((orphan) => orphan.keptWrites),
    ),
    gauge(
      'relay_orphan_kept_bytes',
      'Size of the segments of the log on disk from the position of that output on.',
      each((orphan) => orphan.keptBytes),
    ),
    counter(
      'relay_orphan_dropped_writes_total',
      'Writes dropped for that output because the log was full.',
      each((orphan) => orphan.droppedWrites),
    ),
    counter(
      'relay_orphan_dropped_lines_total',
      'Lines of these dropped writes.',
      each((orphan) => orphan.droppedLines),
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

/** One sample for each output, by `read`. */
export function eachOutput(relays: readonly RelaySnapshot[]) {
  return (read: (output: OutputSnapshot) => number): Sample[] =>
    outputsOf(relays).map(({ labels, output }) => ({ labels, value: read(output) }))
}
