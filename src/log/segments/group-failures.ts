/**
 * Groups that could not be put on the disk, one after the other: how many, and what is said of it.
 */

import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'

/** So many failed groups in a row are no accident. */
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
   * @param isTold it was said already why nothing is written
   * @returns how many have failed in a row
   */
  add(writes: number, error: unknown, isTold: boolean): number {
    const failuresInRow = ++this.#inRow
    const next = this.areTooMany
      ? `${failuresInRow} groups in a row have failed: no more is accepted until the disk is well`
      : 'the next one goes to a new segment'
    if (failuresInRow <= FAILING_AT && !isTold) {
      const folder = this.#folder
      const what = `log: cannot put ${renderCount(writes, 'write')} on disk in ${folder}`
      this.#logger.error({ folder, failuresInRow }, `${what}: ${errorText(error)}; ${next}`)
    }
    return failuresInRow
  }
}
