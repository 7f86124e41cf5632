/**
 * Counts the groups in a row that could not be written to the disk, and logs the first of them.
 */

import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'

/** From this many failed groups in a row on, the log accepts no writes. */
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
   * @param isTold the cause is in the operator's log already
   * @returns the number of failed groups in a row
   */
  add(writes: number, error: unknown, isTold: boolean): number {
    const failuresInRow = ++this.#inRow
    const next = this.areTooMany
      ? `${failuresInRow} groups in a row have failed: no write is accepted until the disk works`
      : 'the next group goes to a new segment'
    if (failuresInRow <= FAILING_AT && !isTold) {
      const folder = this.#folder
      const what = `log: cannot put ${renderCount(writes, 'write')} on disk in ${folder}`
      this.#logger.error({ folder, failuresInRow }, `${what}: ${errorText(error)}; ${next}`)
    }
    return failuresInRow
  }
}
