/** Metrics of the dead letters of outputs: those in the store, and those removed from it. Pure. */

import type { DeadLettersSnapshot } from '../dead-letters/letter-counters.ts'
import type { RelaySnapshot } from '../relay/snapshot.ts'
import { counter, type Family, gauge, type Sample } from './prometheus-text.ts'

const MS_PER_S = 1000

export function deadLetterFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = (read: (dead: DeadLettersSnapshot) => number): Sample[] =>
    relays.flatMap(({ name: relay, outputs }) =>
      outputs.flatMap(({ name: output, deadLetters }) =>
        deadLetters === undefined ? [] : [{ labels: { relay, output }, value: read(deadLetters) }],
      ),
    )
  return [
    gauge(
      'relay_dead_letters',
      'Writes that the output has refused for good and that are in its dead-letter store.',
      each(({ letters }) => letters),
    ),
    gauge(
      'relay_dead_letters_lines',
      'Lines of these dead letters.',
      each(({ lines }) => lines),
    ),
    gauge(
      'relay_dead_letters_bytes',
      'Size of the dead-letter files on disk; removed letters count until their file is deleted.',
      each(({ bytes }) => bytes),
    ),
    gauge(
      'relay_dead_letters_limit_bytes',
      'Limit of the dead-letter files on disk; above it the oldest file is dropped.',
      each(({ limitBytes }) => limitBytes),
    ),
    gauge(
      'relay_dead_letters_oldest_seconds',
      'Age of the oldest dead letter; 0 when there is none.',
      each(({ oldestAgeMs }) => oldestAgeMs / MS_PER_S),
    ),
    gauge(
      'relay_dead_letters_damaged_bytes',
      'Damaged bytes in dead-letter files that were skipped.',
      each(({ damagedBytes }) => damagedBytes),
    ),
    ...removalFamilies(each),
  ]
}

function removalFamilies(
  each: (read: (dead: DeadLettersSnapshot) => number) => Sample[],
): Family[] {
  return [
    counter(
      'relay_dead_letters_dropped_total',
      'Oldest dead letters, dropped at the limit: lost.',
      each(({ removed }) => removed.dropped.letters),
    ),
    counter(
      'relay_dead_letters_dropped_lines_total',
      'Lines of these dead letters.',
      each(({ removed }) => removed.dropped.lines),
    ),
    counter(
      'relay_dead_letters_lost_total',
      'In files that somebody has taken away: lost.',
      each(({ removed }) => removed.lost.letters),
    ),
    counter(
      'relay_dead_letters_lost_lines_total',
      'Their lines.',
      each(({ removed }) => removed.lost.lines),
    ),
    counter(
      'relay_dead_letters_replayed_total',
      'Dead letters appended to the log again by relay dead replay.',
      each(({ removed }) => removed.replayed.letters),
    ),
    counter(
      'relay_dead_letters_purged_total',
      'Dead letters deleted by relay dead purge.',
      each(({ removed }) => removed.purged.letters),
    ),
  ]
}
