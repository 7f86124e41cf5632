/**
 * Counts the failures in a row of the disk, in writing a group or beginning a segment, and logs the
 * first of them.
 */

import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'

/** From this many failures in a row on, the log accepts no writes. */
const FAILING_AT = 3

export class GroupFailures {
  readonly #folder: string
  readonly #logger: Logger
  #inRow = 0

  constructor(options: { readonly folder: string; readonly logger: Logger }) {
    this.#folder = options.folder
    this.#logger = options.logger
  }

  get areTooMany(): boolean {
    return this.#inRow >= FAILING_AT
  }

  clear(): void {
    this.#inRow = 0
  }

  /**
   * @param what cannot be done
   * @param isTold the cause is in the operator's log already
   * @returns the number of failures in a row
   */
  add(what: string, error: unknown, isTold: boolean): number {
    const failuresInRow = ++this.#inRow
    const next = this.areTooMany
      ? `the disk has failed ${failuresInRow} times in a row: no write is accepted until it works`
      : 'the next group goes to a new segment'
    if (failuresInRow <= FAILING_AT && !isTold) {
      const folder = this.#folder
      const text = `log: cannot ${what} in ${folder}: ${errorText(error)}; ${next}`
      this.#logger.error({ folder, failuresInRow }, text)
    }
    return failuresInRow
  }
}
