/** The log lines of a store of dead letters. */

import type { Clock } from '../std/clock.ts'
import { errorText } from '../std/errors.ts'
import { LogThrottle, renderRepeats } from '../std/log-throttle.ts'
import type { Logger } from '../std/logger.ts'
import { renderBytes } from '../std/units.ts'
import { type LetterCount, renderLetters } from './reader.ts'

const REPEAT_INTERVAL_MS = 60_000

export interface LetterMessagesOptions {
  readonly output: string
  readonly limitBytes: number
  readonly clock: Clock
  readonly logger: Logger
}

export class LetterMessages {
  readonly #options: LetterMessagesOptions
  readonly #drops: LogThrottle
  readonly #problems: LogThrottle

  constructor(options: LetterMessagesOptions) {
    this.#options = options
    this.#drops = new LogThrottle(options.clock, REPEAT_INTERVAL_MS)
    this.#problems = new LogThrottle(options.clock, REPEAT_INTERVAL_MS)
  }

  dropped({ letters, lines }: LetterCount): void {
    const suppressed = this.#drops.hit()
    if (suppressed === undefined) return
    const { output, logger, limitBytes } = this.#options
    const bound = `the bound of ${renderBytes(limitBytes)} is reached`
    const dropped = `dropped the oldest ${renderLetters({ letters, lines })}`
    const next = `replay or purge the others${renderRepeats(suppressed)}`
    const fields = { output, letters, lines, limitBytes }
    logger.error(fields, `${this.#what}: ${bound}: ${dropped}; ${next}`)
  }

  /** @param lost letters that could not be recovered */
  mended(lost: LetterCount): void {
    const { output, logger } = this.#options
    const { letters, lines } = lost
    if (letters === 0) {
      return logger.warn({ output }, `${this.#what}: files were removed and have been rewritten`)
    }
    const gone = `lost ${renderLetters(lost)}: their files were removed`
    logger.error({ output, letters, lines }, `${this.#what}: ${gone}`)
  }

  notMended(error: unknown): void {
    const suppressed = this.#problems.hit()
    if (suppressed === undefined) return
    const { output, logger } = this.#options
    const what = `files were removed and cannot be rewritten (${errorText(error)})`
    const next = `retried every second${renderRepeats(suppressed)}`
    logger.error({ output, suppressed }, `${this.#what}: ${what}; ${next}`)
  }

  warn(what: string): (error: unknown) => void {
    const { output, logger } = this.#options
    return (error) => logger.warn({ output }, `${this.#what}: ${what}: ${errorText(error)}`)
  }

  get #what(): string {
    return `output "${this.#options.output}": dead letters`
  }
}
