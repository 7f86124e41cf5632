/**
 * Which outputs a log on disk knows, and which of its records each of them is still owed: for the
 * relay when it starts (starting-places.ts), and for the log's tools. Pure.
 *
 *     configured, with a cursor            all that its cursor does not say is done
 *     configured, in a roster, no cursor   all that is there: its cursor was lost
 *     configured, in neither               nothing: it begins at the tail, and is not through with
 *                                          what is there in the sense that it has it
 *     not configured, with a cursor        all that its cursor does not say is done; kept for it
 *     not configured, in a roster only     nothing: another output has taken its place, or somebody
 *                                          has removed its cursor
 *
 * An output's filters are not looked at: what they hold back counts as owed until it is read.
 */

import type { LogRecord } from '../segments/record.ts'
import type { Cursor } from './cursor-file.ts'
import type { SequenceRange } from './done-ranges.ts'
import type { OwedStatement } from './owed-statements.ts'

export interface OutputPlace {
  readonly output: string
  readonly isConfigured: boolean
  /** What its place was told from. */
  readonly from: 'cursor' | 'roster' | 'tail' | 'nothing'
  /** Records below it are done; `undefined` = all that are there. */
  readonly doneBelow: number | undefined
  /** Done as well. */
  readonly done: readonly SequenceRange[]
  /** Records below it were never for it; `undefined` = none of those that are there is. */
  readonly since: number | undefined
  /** Owed as well, and in no segment any more. */
  readonly statements: readonly OwedStatement[]
}

export interface KnownOutputs {
  /** `undefined` when there is no configuration at hand: then those of the newest roster. */
  readonly configured: readonly string[] | undefined
  /** Of all segments, oldest first. */
  readonly rosters: readonly (readonly string[])[]
  readonly cursors: readonly Cursor[]
}

/** Configured ones in their order, then the others by name. */
export function placesOf({ configured, rosters, cursors }: KnownOutputs): OutputPlace[] {
  const current = configured ?? rosters.at(-1) ?? []
  const inRosters = new Set(rosters.flat())
  const others = new Set([...inRosters, ...cursors.map(({ output }) => output)])
  for (const name of current) others.delete(name)
  const placeOf = (output: string, isConfigured: boolean): OutputPlace => {
    const cursor = cursors.find((each) => each.output === output)
    if (cursor !== undefined) {
      const { doneBelow, done, since = 0, statements = [] } = cursor
      return { output, isConfigured, from: 'cursor', doneBelow, done, since, statements }
    }
    const place = { output, isConfigured, done: [], statements: [] }
    if (isConfigured && inRosters.has(output)) {
      return { ...place, from: 'roster', doneBelow: 0, since: 0 }
    }
    const from = isConfigured ? 'tail' : 'nothing'
    return { ...place, from, doneBelow: undefined, since: undefined }
  }
  return [
    ...current.map((output) => placeOf(output, true)),
    ...[...others].sort().map((output) => placeOf(output, false)),
  ]
}

/** Asked record by record, in the order of their sequence numbers. */
export class Owing {
  readonly #place: OutputPlace
  /** Ranges before it are below the records that are yet to come. */
  #rangeIndex = 0

  constructor(place: OutputPlace) {
    this.#place = place
  }

  owes({ sequence, content }: LogRecord): boolean {
    const { output, doneBelow, done } = this.#place
    if (doneBelow === undefined || sequence < doneBelow) return false
    const only = content.kind === 'write' ? content.output : undefined
    if (only !== undefined && only !== output) return false
    let range = done[this.#rangeIndex]
    while (range !== undefined && range[1] < sequence) range = done[++this.#rangeIndex]
    return range === undefined || sequence < range[0]
  }
}
