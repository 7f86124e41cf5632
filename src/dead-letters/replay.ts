/**
 * Replay of an output's dead letters: appends them to the relay's log, one after the other, and
 * removes the letters that were appended.
 *
 * Promise: a letter is removed only after it was appended. A stop in the middle leaves at most
 * STEP_LETTERS letters that were appended already and would be sent again by the next replay.
 *
 * Not here: appending a letter for its own output alone (relay/).
 */

import { errorText } from '../std/errors.ts'
import { renderCount } from '../std/units.ts'
import type { StoredLetter } from './letter.ts'
import type { DeadLetters } from './store.ts'

/** Letters for each removal, because a removal costs a sync. */
const STEP_LETTERS = 1_000

/** Appends one letter to the relay's log; resolves once the letter is durable there. */
export type AppendLetter = (
  letter: StoredLetter,
) => Promise<'appended' | { readonly problem: string }>

export type Replayed =
  | { readonly writes: number; readonly lines: number }
  | { readonly problem: string }

/** Stores with a running replay; a second replay would send the same letters twice. */
const underWay = new WeakSet<DeadLetters>()

/**
 * Passes every letter that is stored now to `append`, oldest first, one at a time. Stops at the
 * first letter that is not appended; that letter and all later ones stay. Never rejects.
 */
export async function replayLetters(dead: DeadLetters, append: AppendLetter): Promise<Replayed> {
  if (underWay.has(dead)) return { problem: 'a replay is under way already; nothing was done' }
  underWay.add(dead)
  try {
    return await replay(dead, append)
  } finally {
    underWay.delete(dead)
  }
}

async function replay(dead: DeadLetters, append: AppendLetter): Promise<Replayed> {
  const appended = { writes: 0, lines: 0 }
  let appendedBelow = 0
  let problem = ''
  try {
    for await (const letter of dead.letters()) {
      const answer = await append(letter)
      if (answer !== 'appended') {
        problem = answer.problem
        break
      }
      appended.writes++
      appended.lines += letter.write.lineCount
      appendedBelow = letter.number + 1
      if (appended.writes % STEP_LETTERS === 0) await dead.removeBelow(appendedBelow)
    }
  } catch (error) {
    problem = errorText(error)
  }
  const removal = await dead.removeBelow(appendedBelow)
  if ('failed' in removal) {
    problem ||= `cannot remove the replayed letters: ${errorText(removal.failed)}`
  }
  if (problem === '') return appended
  const count = renderCount(appended.writes, 'letter')
  const were = appended.writes === 1 ? 'was' : 'were'
  return { problem: `${problem}; ${count} ${were} already replayed` }
}
