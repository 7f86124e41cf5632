/**
 * Restores the position of each output when a log on disk is opened. The log's tools use the same
 * rules (output-positions.ts).
 */

import type { SegmentLog } from '../segments/segment-log.ts'
import type { Cursor, CursorFile } from './cursor-file.ts'
import { DoneRanges } from './done-ranges.ts'
import { OutputCursor } from './output-cursor.ts'
import { positionsOf } from './output-positions.ts'

export interface RestoreOptions {
  /** The configured outputs. */
  readonly outputs: readonly { readonly name: string; readonly boundBytes: number }[]
  /** Most bytes of the log that may be kept for an output that is not configured any more. */
  readonly orphanBoundBytes: number
  readonly segments: SegmentLog
  readonly cursors: readonly Cursor[]
  readonly cursorFile: (output: string) => CursorFile
}

/** @returns the configured outputs in their order, then outputs that only have a cursor */
export function restoreCursors(options: RestoreOptions): OutputCursor[] {
  const { outputs, orphanBoundBytes, segments, cursors, cursorFile } = options
  const { rosters, firstSequence, nextSequence, recovered } = segments
  const bounds = new Map(outputs.map(({ name, boundBytes }) => [name, boundBytes]))
  const known = positionsOf({ configured: [...bounds.keys()], rosters, cursors })
  return known
    .filter(({ isConfigured, from }) => isConfigured || from === 'cursor')
    .map((position) => {
      const { output, isConfigured, doneBelow = nextSequence } = position
      return new OutputCursor({
        ...{ output, isConfigured, log: segments, file: cursorFile(output) },
        // An output is owed nothing before the first record.
        done: new DoneRanges(Math.max(doneBelow, firstSequence), position.done),
        boundBytes: bounds.get(output) ?? orphanBoundBytes,
        since: position.since ?? recovered.recordsEnd,
        found: cursors.find((cursor) => cursor.output === output),
      })
    })
}
