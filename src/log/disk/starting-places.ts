/**
 * Where the outputs of a log on disk stand when it is opened, by the same rules that the log's tools
 * go by (owing.ts).
 */

import { DoneRanges } from '../done-ranges.ts'
import type { Cursor, CursorFile } from './cursor-file.ts'
import { placesOf } from './owing.ts'
import type { SegmentLog } from './segment-log.ts'

export interface Place {
  readonly output: string
  /** How much of the log may be kept for it. */
  readonly boundBytes: number
  /** Records below it were never for it: that it is through with them says nothing. */
  readonly since: number
  readonly file: CursorFile
  readonly done: DoneRanges
  /** `done.changes` when it was last saved; `undefined` = it was not yet. */
  savedChanges: number | undefined
}

export interface PlacesOptions {
  /** As configured. */
  readonly outputs: readonly { readonly name: string; readonly boundBytes: number }[]
  readonly segments: SegmentLog
  readonly cursors: readonly Cursor[]
  readonly cursorFile: (output: string) => CursorFile
}

/** Of the configured outputs, in their order. */
export function placesAtStart(options: PlacesOptions): Place[] {
  const { outputs, segments, cursors, cursorFile } = options
  const { rosters, firstSequence, nextSequence, recovered } = segments
  const bounds = new Map(outputs.map(({ name, boundBytes }) => [name, boundBytes]))
  return placesOf({ configured: [...bounds.keys()], rosters, cursors }).flatMap((known) => {
    const { output, doneBelow = nextSequence, done, since = recovered.recordsEnd } = known
    const boundBytes = bounds.get(output)
    if (boundBytes === undefined) return []
    return {
      ...{ output, boundBytes, since },
      file: cursorFile(output),
      // Before the first record there is nothing to be owed.
      done: new DoneRanges(Math.max(doneBelow, firstSequence), done),
      savedChanges: undefined,
    }
  })
}
