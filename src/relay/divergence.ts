/**
 * Divergence: counts and logs writes where one output refused more lines than another, because
 * nothing else would show that the outputs differ.
 *
 * Outputs given the same writes in the same order refuse the same lines. If they do not, their data
 * had already diverged, and diverges further.
 */

import type { OutputConfig } from '../config/config.ts'
import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import { LogThrottle, renderRepeats } from '../std/log-throttle.ts'
import type { Logger } from '../std/logger.ts'
import { renderCount } from '../std/units.ts'
import type { Outcome } from '../write/outcome.ts'

const LOG_INTERVAL_MS = 5_000

export class Divergence {
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

  /** Compares the outcome at one output with that of the first output that settled the entry. */
  compare(output: OutputConfig, entry: Entry, outcome: Outcome): void {
    // An output with filters receives fewer lines, so its count says nothing.
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
