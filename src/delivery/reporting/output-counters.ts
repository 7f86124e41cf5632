/**
 * Accounting of one output (G10): every offered line is pending or has exactly one outcome.
 *
 * Invariant: accepted lines = pending lines + the lines of all outcomes.
 */

import assert from 'node:assert/strict'
import type { Entry } from '../../log/entry.ts'
import { unreachable } from '../../std/errors.ts'
import type { DropReason, Outcome, OutcomeKind } from '../../write/outcome.ts'

export class OutputCounters {
  acceptedWrites = 0
  acceptedLines = 0
  pendingLines = 0
  pendingWrites = 0
  pendingBytes = 0
  pendingStatements = 0
  attempts = 0
  failedAttempts = 0
  timedOutAttempts = 0
  splitBatches = 0
  sentBytes = 0
  /** Writes that the relay refused because this backlog was full; not accepted here. */
  backlogFullRefusals = 0
  readonly outcomeLines: Record<OutcomeKind, number> = {
    delivered: 0,
    refused: 0,
    'dead-lettered': 0,
    dropped: 0,
    withdrawn: 0,
    filtered: 0,
  }
  readonly droppedLines: Record<DropReason, number> = {
    'backlog-full': 0,
    'one-attempt': 0,
    'over-mtu': 0,
    'send-error': 0,
    shutdown: 0,
    'log-lost': 0,
  }

  accept(entry: Entry): void {
    this.acceptedWrites++
    this.acceptedLines += entry.write.lineCount
    this.pendingLines += entry.write.lineCount
    this.pendingWrites++
    this.pendingBytes += entry.bytes
    if (entry.write.kind === 'statement') this.pendingStatements++
  }

  /**
   * @param filteredLineCount lines that the output's filters left out; they are in no other count
   */
  settle(entry: Entry, outcome: Outcome, filteredLineCount: number): void {
    const sentLines = entry.write.lineCount - filteredLineCount
    this.outcomeLines.filtered += filteredLineCount
    this.#count(outcome, sentLines)
    this.pendingLines -= entry.write.lineCount
    this.pendingWrites--
    this.pendingBytes -= entry.bytes
    if (entry.write.kind === 'statement') this.pendingStatements--
    assert(this.pendingWrites >= 0, 'BUG: a write was settled twice')
    this.#assertBalanced()
  }

  /** Counts accepted writes as dropped that were lost with a file of the log on disk. */
  lose(lost: { readonly writes: number; readonly lines: number; readonly bytes: number }): void {
    this.pendingWrites -= lost.writes
    this.pendingLines -= lost.lines
    this.pendingBytes -= lost.bytes
    this.outcomeLines.dropped += lost.lines
    this.droppedLines['log-lost'] += lost.lines
    this.#assertBalanced()
  }

  /** Checked after every settlement, in production as well: it costs some additions. */
  #assertBalanced(): void {
    const { delivered, refused, dropped, withdrawn, filtered } = this.outcomeLines
    const settledLines = delivered + refused + dropped + withdrawn + filtered
    const lines = settledLines + this.outcomeLines['dead-lettered'] + this.pendingLines
    assert(lines === this.acceptedLines, 'BUG: the outcomes do not sum up to the accepted lines')
  }

  /** Refused and dropped outcomes count their own lines; the rest of the write was stored. */
  #count(outcome: Outcome, lineCount: number): void {
    switch (outcome.kind) {
      case 'delivered':
      case 'withdrawn':
      case 'filtered':
        this.outcomeLines[outcome.kind] += lineCount
        return
      case 'refused':
      case 'dead-lettered':
        this.outcomeLines[outcome.kind] += outcome.lineCount
        this.outcomeLines.delivered += lineCount - outcome.lineCount
        return
      case 'dropped':
        this.outcomeLines.dropped += outcome.lineCount
        this.droppedLines[outcome.reason] += outcome.lineCount
        this.outcomeLines.refused += outcome.refusedLineCount
        this.outcomeLines.delivered += lineCount - outcome.lineCount - outcome.refusedLineCount
        return
      default:
        unreachable(outcome)
    }
  }
}
