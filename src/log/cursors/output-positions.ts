/**
 * The outputs that a log on disk knows, and the records that each output is owed. Used by the relay
 * at the start (restore-cursors.ts) and by the log's tools. Pure.
 *
 *     output                               is owed
 *     configured, with a cursor            all records that are not done in its cursor
 *     configured, in a roster, no cursor   all records: its cursor was lost
 *     configured, in neither               nothing: it starts at the tail. Earlier records are
 *                                          skipped and do not count as stored by it
 *     not configured, with a cursor        all records not done in its cursor; the log keeps them
 *     not configured, in a roster only     nothing: another output has taken its place, or
 *                                          somebody removed the cursor
 *
 * This module ignores filters: a record that a filter rejects counts as owed until it is read.
 */

import type { LogRecord } from '../segments/record.ts'
import type { Cursor } from './cursor-file.ts'
import type { SequenceRange } from './done-ranges.ts'
import type { OwedStatement } from './owed-statements.ts'

export interface OutputPosition {
  readonly output: string
  readonly isConfigured: boolean
  /** The source of this position. */
  readonly from: 'cursor' | 'roster' | 'tail' | 'nothing'
  /** Records with a lower number are done; `undefined` = all records in the log. */
  readonly doneBelow: number | undefined
  /** Further records that are done. */
  readonly done: readonly SequenceRange[]
  /** Records with a lower number were never for it; `undefined` = no record in the log is. */
  readonly since: number | undefined
  /** Owed statements that count as done and may be in no segment any more. */
  readonly statements: readonly OwedStatement[]
}

export interface KnownOutputs {
  /** `undefined` = no configuration is available: use the newest roster. */
  readonly configured: readonly string[] | undefined
  /** The rosters of all segments, oldest first. */
  readonly rosters: readonly (readonly string[])[]
  readonly cursors: readonly Cursor[]
}

/** @returns the configured outputs in their order, then the others by name */
export function positionsOf({ configured, rosters, cursors }: KnownOutputs): OutputPosition[] {
  const current = configured ?? rosters.at(-1) ?? []
  const inRosters = new Set(rosters.flat())
  const others = new Set([...inRosters, ...cursors.map(({ output }) => output)])
  for (const name of current) others.delete(name)
  const positionOf = (output: string, isConfigured: boolean): OutputPosition => {
    const cursor = cursors.find((each) => each.output === output)
    if (cursor !== undefined) {
      const { doneBelow, done, since = 0, statements = [] } = cursor
      return { output, isConfigured, from: 'cursor', doneBelow, done, since, statements }
    }
    const position = { output, isConfigured, done: [], statements: [] }
    if (isConfigured && inRosters.has(output)) {
      return { ...position, from: 'roster', doneBelow: 0, since: 0 }
    }
    const from = isConfigured ? 'tail' : 'nothing'
    return { ...position, from, doneBelow: undefined, since: undefined }
  }
  return [
    ...current.map((output) => positionOf(output, true)),
    ...[...others].sort().map((output) => positionOf(output, false)),
  ]
}

/** Call `isOwed` for each record, in the order of the sequence numbers. */
export class OwedFilter {
  readonly #position: OutputPosition
  /** Ranges before this index are below all records still to be asked about. */
  #rangeIndex = 0

  constructor(position: OutputPosition) {
    this.#position = position
  }

  isOwed({ sequence, content }: LogRecord): boolean {
    const { output, doneBelow, done } = this.#position
    if (doneBelow === undefined || sequence < doneBelow) return false
    const only = content.kind === 'write' ? content.output : undefined
    if (only !== undefined && only !== output) return false
    let range = done[this.#rangeIndex]
    while (range !== undefined && range[1] < sequence) range = done[++this.#rangeIndex]
    return range === undefined || sequence < range[0]
  }
}
