/**
 * Writes that outputs do not agree on: counted and told, because nothing else would show it.
 *
 * Outputs that see the same writes in the same order refuse the same lines of them. Where one has
 * refused other than another, they held different things before, and they do so now.
 */

import type { OutputConfig } from '../config/config.ts'
import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { LogThrottle, renderRepeats } from '../std/throttle.ts'
import { renderCount } from '../std/units.ts'
import type { Outcome } from '../write/outcome.ts'

const LOG_INTERVAL_MS = 5_000

export class Disputes {
  readonly #logger: Logger
  readonly #throttle: LogThrottle
  #count = 0

  constructor(options: { readonly clock: Clock; readonly logger: Logger }) {
    this.#logger = options.logger
    this.#throttle = new LogThrottle(options.clock, LOG_INTERVAL_MS)
  }

  get count(): number {
    return this.#count
  }

  /** Holds the outcome at one output against that of the first one that was through with it. */
  compare(output: OutputConfig, entry: Entry, outcome: Outcome): void {
    // What a filter holds back is seen by some outputs only.
    if (output.filters.length > 0) return
    const isRefused = outcome.kind === 'refused' || outcome.kind === 'dead-lettered'
    if (outcome.kind !== 'delivered' && !isRefused) return
    const refusedLines = isRefused ? outcome.lineCount : 0
    const others = entry.firstRefusedLineCount
    entry.firstRefusedLineCount ??= refusedLines
    if (others === undefined || others === refusedLines) return
    this.#count++
    const suppressed = this.#throttle.hit()
    if (suppressed === undefined) return
    const { kind, lineCount, target } = entry.write
    const { database } = target
    const text =
      kind === 'statement'
        ? `outputs differ on CREATE DATABASE "${database}": "${output.name}" has ` +
          `${didOf(refusedLines)}, another output has ${didOf(others)}`
        : `outputs differ on a write to database "${database}": of its ` +
          `${renderCount(lineCount, 'line')} "${output.name}" has refused ${refusedLines}, ` +
          `another output ${others}`
    const fields = { output: output.name, database, refusedLines, others, suppressed }
    this.#logger.error(fields, text + renderRepeats(suppressed))
  }
}

function didOf(refusedLines: number): string {
  return refusedLines > 0 ? 'refused it' : 'carried it out'
}
