/** Dead letters of outputs, as metrics: what is kept, and what has become of the others. Pure. */

import type { DeadLettersSnapshot } from '../dead-letters/letter-books.ts'
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
      'Writes that it has refused for good, as far as they are kept.',
      each(({ letters }) => letters),
    ),
    gauge(
      'relay_dead_letters_lines',
      'Their lines.',
      each(({ lines }) => lines),
    ),
    gauge(
      'relay_dead_letters_bytes',
      'Of their files on disk; removed letters take some until their file is through.',
      each(({ bytes }) => bytes),
    ),
    gauge(
      'relay_dead_letters_limit_bytes',
      'Above it the oldest file is dropped.',
      each(({ limitBytes }) => limitBytes),
    ),
    gauge(
      'relay_dead_letters_oldest_seconds',
      'Age of the oldest; 0 when there is none.',
      each(({ oldestAgeMs }) => oldestAgeMs / MS_PER_S),
    ),
    gauge(
      'relay_dead_letters_damaged_bytes',
      'Of damage in their files that was come across, and passed over.',
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
      'The oldest, dropped at the bound: lost.',
      each(({ removed }) => removed.dropped.letters),
    ),
    counter(
      'relay_dead_letters_dropped_lines_total',
      'Their lines.',
      each(({ removed }) => removed.dropped.lines),
    ),
    counter(
      'relay_dead_letters_replayed_total',
      'Taken into the log again, by relay dead replay.',
      each(({ removed }) => removed.replayed.letters),
    ),
    counter(
      'relay_dead_letters_purged_total',
      'Deleted, by relay dead purge.',
      each(({ removed }) => removed.purged.letters),
    ),
  ]
}
