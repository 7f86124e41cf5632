/**
 * The refused lines of one body, in InfluxDB's words.
 *
 * Limits: 1 MiB of text. InfluxDB has no limit; beyond ours the echo of a line is cut short, and
 * the lines after that are counted without being named.
 */

import { latin1 } from '../bytes.ts'
import { decodeLossless } from '../lossless-text.ts'

/** More than any client shows; so that a large body of garbage is not held a second time. */
const ERRORS_MAX_BYTES = 1024 * 1024

/** Collects refusals. */
export class Refusals {
  #count = 0
  #size = 0
  readonly #texts: string[] = []

  get count(): number {
    return this.#count
  }

  /** What the texts take of memory: two bytes a character, at the worst. */
  get heldBytes(): number {
    return 2 * this.#size
  }

  /**
   * @param line the line without its newline
   * @param reason latin1, as the bytes InfluxDB would write
   */
  add(line: Buffer, reason: string): void {
    this.#count++
    const room = ERRORS_MAX_BYTES - this.#size
    if (room <= 0) return
    // A reason may hold as many digits as the line.
    const why = reason.slice(0, Math.ceil(room / 2))
    const echo = `unable to parse '${latin1(line, 0, room - why.length)}': ${why}`
    this.#size += echo.length
    this.#texts.push(decodeLossless(Buffer.from(echo, 'latin1')))
  }

  /** All refusals in InfluxDB's form, one a line; '' when there are none. */
  render(): string {
    return this.#texts.join('\n')
  }
}
