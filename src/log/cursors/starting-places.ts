/**
 * Where the outputs of a log on disk stand when it is opened. The rules are those of the log's
 * tools (owing.ts).
 */

import type { SegmentLog } from '../segments/segment-log.ts'
import type { Cursor, CursorFile } from './cursor-file.ts'
import { DoneRanges } from './done-ranges.ts'
import { placesOf } from './owing.ts'
import { Place } from './place.ts'

export interface PlacesOptions {
  /** As configured. */
  readonly outputs: readonly { readonly name: string; readonly boundBytes: number }[]
  /** How much may be kept for one that is not configured any more. */
  readonly orphanBoundBytes: number
  readonly segments: SegmentLog
  readonly cursors: readonly Cursor[]
  readonly cursorFile: (output: string) => CursorFile
}

/** Configured outputs in their order, then those that only have a cursor. */
export function placesAtStart(options: PlacesOptions): Place[] {
  const { outputs, orphanBoundBytes, segments, cursors, cursorFile } = options
  const { rosters, firstSequence, nextSequence, recovered } = segments
  const bounds = new Map(outputs.map(({ name, boundBytes }) => [name, boundBytes]))
  const known = placesOf({ configured: [...bounds.keys()], rosters, cursors })
  return known
    .filter(({ isConfigured, from }) => isConfigured || from === 'cursor')
    .map((place) => {
      const { output, isConfigured, doneBelow = nextSequence } = place
      return new Place({
        ...{ output, isConfigured, log: segments, file: cursorFile(output) },
        // Before the first record there is nothing to be owed.
        done: new DoneRanges(Math.max(doneBelow, firstSequence), place.done),
        boundBytes: bounds.get(output) ?? orphanBoundBytes,
        since: place.since ?? recovered.recordsEnd,
        found: cursors.find((cursor) => cursor.output === output),
      })
    })
}
