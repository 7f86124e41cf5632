/**
 * Dead-letter admin: lets an operator replay or purge the dead letters of a relay's outputs.
 *
 * A replayed letter is a normal write: it is appended to the log behind the backlog of its output,
 * but for that output alone. Nothing here rejects.
 */

import { type Replayed, replayLetters } from '../dead-letters/replay.ts'
import type { DeadLetters } from '../dead-letters/store.ts'
import type { Entry } from '../log/entry.ts'
import { errorText } from '../std/errors.ts'
import type { WriteLog } from './write-log.ts'

export interface DeadLetterAdminOptions {
  /** By output, in the order of the configuration. */
  readonly letters: readonly DeadLetters[]
  readonly outputs: readonly string[]
  readonly log: WriteLog
  readonly isClosing: () => boolean
  /** Called once the entry is on the disk; the entry is for this output only. */
  readonly offerTo: (outputIndex: number, entry: Entry) => void
}

type Purged = { readonly letters: number; readonly lines: number } | { readonly problem: string }

export class DeadLetterAdmin implements AsyncDisposable {
  readonly #options: DeadLetterAdminOptions

  constructor(options: DeadLetterAdminOptions) {
    this.#options = options
  }

  /** Resolves once all letters that are stored now were appended to the log. */
  async replay(output: string): Promise<Replayed> {
    const { letters, outputs, log, isClosing, offerTo } = this.#options
    const index = outputs.indexOf(output)
    const itsLetters = letters[index]
    if (itsLetters === undefined) return noLetters(output)
    return await replayLetters(itsLetters, async ({ write }) => {
      if (isClosing()) return { problem: 'the relay is stopping' }
      const problem = await log.appendFor(output, write, (entry) => offerTo(index, entry))
      return problem === '' ? 'appended' : { problem }
    })
  }

  /** Removes all letters; with `beforeMs`, the oldest ones that were refused before that time. */
  async purge(output: string, beforeMs: number | undefined): Promise<Purged> {
    const { letters, outputs } = this.#options
    const itsLetters = letters[outputs.indexOf(output)]
    if (itsLetters === undefined) return noLetters(output)
    const removal = await itsLetters.purge(beforeMs)
    return 'failed' in removal ? { problem: errorText(removal.failed) } : removal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#options.letters.map((letters) => letters[Symbol.asyncDispose]()))
  }
}

function noLetters(output: string): { readonly problem: string } {
  return { problem: `output "${output}" keeps no dead letters: its relay has no log-dir` }
}
