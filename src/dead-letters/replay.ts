/**
 * Sending the dead letters of an output again: hands them to the relay's log, one after the other,
 * and removes those that were taken over.
 *
 * Promise: a letter is removed only after it was taken over. A stop in the middle leaves at most
 * STEP_LETTERS that were taken over already and are there to be sent a second time.
 *
 * Not here: making a write of a letter that is targeted at its output (relay/).
 */

import { errorText } from '../std/errors.ts'
import { renderCount } from '../std/units.ts'
import type { StoredLetter } from './letter.ts'
import type { DeadLetters } from './store.ts'

/** Each removal is a sync of its own. */
const STEP_LETTERS = 1_000

/** Appends one letter to the relay's log; resolves when it is durable there. */
export type TakeOver = (letter: StoredLetter) => Promise<'taken' | { readonly problem: string }>

export type Replayed =
  | { readonly writes: number; readonly lines: number }
  | { readonly problem: string }

/** Replays under way; a second one of the same letters would send all of them twice. */
const underWay = new WeakSet<DeadLetters>()

/**
 * Hands every letter that is there now to `takeOver`, oldest first, one at a time. Stops at the
 * first one that was not taken; the rest stays. Never rejects.
 */
export async function replayLetters(dead: DeadLetters, takeOver: TakeOver): Promise<Replayed> {
  if (underWay.has(dead)) return { problem: 'a replay is under way already; nothing was done' }
  underWay.add(dead)
  try {
    return await replay(dead, takeOver)
  } finally {
    underWay.delete(dead)
  }
}

async function replay(dead: DeadLetters, takeOver: TakeOver): Promise<Replayed> {
  const taken = { writes: 0, lines: 0 }
  let takenBelow = 0
  let problem = ''
  try {
    for await (const letter of dead.letters()) {
      const answer = await takeOver(letter)
      if (answer !== 'taken') {
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
