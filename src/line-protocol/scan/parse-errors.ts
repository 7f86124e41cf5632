/**
 * The refused lines of one body, in InfluxDB's words.
 *
 * Limits: 1 MiB of text. InfluxDB has no limit. At the relay's limit the echo of a line is cut
 * short, and later lines are only counted.
 */

import { latin1 } from '../bytes.ts'
import { decodeLossless } from '../lossless-text.ts'

/** More than any client shows. The limit avoids a second copy of a large body of garbage. */
const ERRORS_MAX_BYTES = 1024 * 1024

export class ParseErrors {
  #count = 0
  #size = 0
  readonly #texts: string[] = []

  get count(): number {
    return this.#count
  }

  /** Memory of the texts, at most: two bytes for each character. */
  get heldBytes(): number {
    return 2 * this.#size
  }

  /**
   * @param line the line without its newline
   * @param reason latin1 text of the bytes that InfluxDB would write
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

  /** All refusals in InfluxDB's form, one on each line; '' when there are none. */
  render(): string {
    return this.#texts.join('\n')
  }
}
