/**
 * What an output tells of itself, as metrics: state, lines, attempts. Pure.
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
      'relay_output_unread_writes',
      'Writes that earlier processes have left on disk for it, by number, before they are read.',
      each((output) => output.unreadWrites),
    ),
    gauge(
      'relay_output_unread_bytes',
      'Their share of the log on disk.',
      each((output) => output.unreadBytes),
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
      'Databases and retention policies that are missing there, or not for its user to write to.',
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

/** Outputs that are not configured any more, and have a place in a log on disk. */
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
      'Numbers of the log kept for an output that is not configured any more.',
      each((orphan) => orphan.keptWrites),
    ),
    gauge(
      'relay_orphan_kept_bytes',
      'Of the log on disk, the segments from its place on.',
      each((orphan) => orphan.keptBytes),
    ),
    counter(
      'relay_orphan_dropped_writes_total',
      'Writes that it has given up because the log was full.',
      each((orphan) => orphan.droppedWrites),
    ),
    counter(
      'relay_orphan_dropped_lines_total',
      'Their lines.',
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

function eachOutput(relays: readonly RelaySnapshot[]) {
  return (read: (output: OutputSnapshot) => number): Sample[] =>
    outputsOf(relays).map(({ labels, output }) => ({ labels, value: read(output) }))
}
