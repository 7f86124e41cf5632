/**
 * The limits on the size of the log on disk: shares of `log-max-mb`, and of the file system.
 *
 *     0 ─── segments ───────────────────── giveWay ─── full ─── max
 *                                             │          │       └ reserve, for draining
 *                                             │          └ new writes are refused
 *                                             └ the output with the largest lag gives up records
 *
 * Outputs give up records before the log is full. Otherwise, for each segment of new writes, the
 * log would refuse writes for as long as it takes to make room.
 */

import type { FileSystem } from '../file-system.ts'
import { SEGMENT_BYTES } from '../segments/segment-log.ts'

const SEGMENTS_IN_BOUND = 16
export const SEGMENT_MIN_BYTES = 64 * 1024
/** Share of the bound that is kept free for draining; at most RESERVE_MAX_BYTES. */
const RESERVE_SHARE = 1 / 8
const RESERVE_MAX_BYTES = 64 * 1024 * 1024
/** Share of the file system that the log leaves free; at most FREE_FLOOR_MAX_BYTES. */
const FREE_FLOOR_SHARE = 1 / 20
const FREE_FLOOR_MAX_BYTES = 256 * 1024 * 1024

export interface LogLimits {
  readonly giveWayBytes: number
  readonly fullBytes: number
}

export function limitsOf(maxBytes: number): LogLimits {
  const fullBytes = maxBytes - Math.min(RESERVE_MAX_BYTES, maxBytes * RESERVE_SHARE)
  const segmentBytes = Math.min(SEGMENT_BYTES, maxBytes / SEGMENTS_IN_BOUND)
  return { fullBytes, giveWayBytes: fullBytes - segmentBytes }
}

interface Room {
  readonly files: FileSystem
  readonly folder: string
}

/** A segment size at which trimming the oldest segment frees only a small part of the log. */
export async function fittingSegmentBytes(room: Room, maxBytes: number): Promise<number> {
  const { totalBytes } = await room.files.space(room.folder)
  const share = Math.min(maxBytes, totalBytes) / SEGMENTS_IN_BOUND
  return Math.max(SEGMENT_MIN_BYTES, Math.min(SEGMENT_BYTES, Math.floor(share)))
}

/** Whether the file system has too little free space to store new writes. */
export async function isSpaceLow({ files, folder }: Room): Promise<boolean> {
  const { freeBytes, totalBytes } = await files.space(folder)
  return freeBytes < Math.min(FREE_FLOOR_MAX_BYTES, totalBytes * FREE_FLOOR_SHARE)
}
