/**
 * Writes the dead letter of a write before the output's cursor passes the write.
 *
 * Only a refusal that the client was not told becomes a letter: a client that gets an error handles
 * its own write. So it is known only after the client's answer whether a letter is needed.
 *
 * Promise: the cursor passes a refused write only once its letter is on the disk. If a letter
 * cannot be kept its write stays pending: after the next start it is sent, and refused, again.
 */

import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import { LogThrottle } from '../std/log-throttle.ts'
import type { Logger } from '../std/logger.ts'
import type { Outcome } from '../write/outcome.ts'
import { redacted } from '../write/redact.ts'
import type { DeadLettersSnapshot } from './letter-counters.ts'
import type { DeadLetters } from './store.ts'

const PROBLEM_LOG_INTERVAL_MS = 60_000

export type DeadLettered = Extract<Outcome, { kind: 'dead-lettered' }>

export interface DeadLetterRecorderOptions {
  readonly output: string
  readonly letters: DeadLetters
  readonly clock: Clock
  readonly logger: Logger
  /** The letter is on the disk: the cursor may pass its write. */
  readonly onKept: (entry: Entry) => void
}

export class DeadLetterRecorder {
  readonly #options: DeadLetterRecorderOptions
  readonly #problem: LogThrottle

  constructor(options: DeadLetterRecorderOptions) {
    this.#options = options
    this.#problem = new LogThrottle(options.clock, PROBLEM_LOG_INTERVAL_MS)
  }

  write(entry: Entry, { reply, lineCount, bodies }: DeadLettered): void {
    const { letters, clock, onKept } = this.#options
    const write = { ...entry.write, body: Buffer.concat(bodies), lineCount }
    const { status } = reply
    const reason = redacted(reply.error, write.target.credentials)
    const letter = { write, sequence: entry.sequence, status, reason, tries: entry.begunCount }
    // Never rejects.
    void letters.append({ ...letter, deadAtMs: clock.wallMs() }).then((result) => {
      if (result === 'kept') onKept(entry)
      else this.#tell(result.failed)
    })
  }

  snapshot(): DeadLettersSnapshot {
    return this.#options.letters.snapshot()
  }

  #tell(error: unknown): void {
    if (this.#problem.hit() === undefined) return
    const { output, logger } = this.#options
    const what = `output "${output}": cannot keep a dead letter (${errorText(error)})`
    logger.error({ output }, `${what}; its write is sent again after the next start`)
  }
}
