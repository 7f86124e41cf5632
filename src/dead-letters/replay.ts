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
 * Hands every letter that is stored now to `takeOver`, oldest first, one at a time. Stops at the
 * first letter that is not taken; that letter and all later ones stay. Never rejects.
 */
export async function replayLetters(dead: DeadLetters, takeOver: AppendLetter): Promise<Replayed> {
  if (underWay.has(dead)) return { problem: 'a replay is under way already; nothing was done' }
  underWay.add(dead)
  try {
    return await replay(dead, takeOver)
  } finally {
    underWay.delete(dead)
  }
}

async function replay(dead: DeadLetters, takeOver: AppendLetter): Promise<Replayed> {
  const taken = { writes: 0, lines: 0 }
  let takenBelow = 0
  let problem = ''
  try {
    for await (const letter of dead.letters()) {
      const answer = await takeOver(letter)
      if (answer !== 'appended') {
        problem = answer.problem
        break
      }
      taken.writes++
      taken.lines += letter.write.lineCount
      takenBelow = letter.number + 1
      if (taken.writes % STEP_LETTERS === 0) await dead.removeBelow(takenBelow)
    }
  } catch (error) {
    problem = errorText(error)
  }
  const removal = await dead.removeBelow(takenBelow)
  if ('failed' in removal) {
    problem ||= `cannot remove what was taken over: ${errorText(removal.failed)}`
  }
  if (problem === '') return taken
  const before = renderCount(taken.writes, 'letter')
  return { problem: `${problem}; ${before} had been taken over before` }
}
