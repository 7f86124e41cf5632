/**
 * Log lines about the health of an output: one for every change, with cause, duration and backlog.
 *
 * Repeats within FLAP_LOG_INTERVAL_MS are counted, and the next line reports the count. Refused
 * credentials are logged as an error, again every ALARM_INTERVAL_MS while they last.
 */

import type { Clock } from '../../std/clock.ts'
import { LogThrottle } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes, renderCount, renderWait } from '../../std/units.ts'

const FLAP_LOG_INTERVAL_MS = 10_000
const ALARM_INTERVAL_MS = 60_000

export interface HealthMessagesOptions {
  readonly name: string
  /** 0 = writes that come while the output is down are not kept for it. */
  readonly bufferBytes: number
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the relay accepts new writes in the present state of its outputs. */
  readonly takesWrites: () => boolean
}

export interface Recovery {
  readonly cause: string
  readonly downMs: number
  /** The output was not down: it refused its own credentials. */
  readonly wasRefusing: boolean
  readonly pendingWrites: number
  readonly pendingBytes: number
}

export class HealthMessages {
  readonly #options: HealthMessagesOptions
  readonly #throttle: LogThrottle
  readonly #alarm: LogThrottle
  #isDownLogged = false
  #loggedCause = ''

  constructor(options: HealthMessagesOptions) {
    this.#options = options
    this.#throttle = new LogThrottle(options.clock, FLAP_LOG_INTERVAL_MS)
    this.#alarm = new LogThrottle(options.clock, ALARM_INTERVAL_MS)
  }

  down(cause: string): void {
    const { logger, name } = this.#options
    // Only repeats are throttled; a new cause is always logged.
    if (cause !== this.#loggedCause) this.#throttle.reset()
    const suppressed = this.#throttle.hit()
    this.#isDownLogged = suppressed !== undefined
    if (suppressed === undefined) return
    this.#loggedCause = cause
    const repeats = suppressed > 0 ? ` (${suppressed} changes since the last line)` : ''
    const fields = { output: name, cause, suppressed }
    logger.warn(fields, `output "${name}" is down: ${cause}; ${this.#whatFollows()}${repeats}`)
  }

  /** @param isNews the output did not refuse its credentials before */
  refusing(cause: string, isNews: boolean): void {
    const { logger, name } = this.#options
    if (isNews) this.#alarm.reset()
    if (this.#alarm.hit() === undefined) return
    const next = `${this.#whatFollows()}; correct username, password or token`
    logger.error({ output: name, cause }, `output "${name}": ${cause}; ${next}`)
  }

  up({ cause, downMs: exactMs, wasRefusing, pendingWrites, pendingBytes }: Recovery): void {
    const { logger, name } = this.#options
    const downMs = Math.round(exactMs)
    const fields = { output: name, cause, downMs, writes: pendingWrites, bytes: pendingBytes }
    const backlog = `${renderCount(pendingWrites, 'write')} (${renderBytes(pendingBytes)})`
    const text = `output "${name}" is up again after ${renderWait(downMs)}; ${backlog} to catch up`
    // Each logged "down" gets its "up again".
    if (this.#isDownLogged || wasRefusing) logger.info(fields, text)
    else logger.debug(fields, text)
  }

  /** What happens to new writes from now on. */
  #whatFollows(): string {
    const { bufferBytes, takesWrites } = this.#options
    if (!takesWrites()) return 'new writes are answered 503 until enough outputs are up'
    if (bufferBytes > 0) return 'its writes wait'
    return 'it misses new writes until it is up (buffer-size-mb is 0)'
  }
}
