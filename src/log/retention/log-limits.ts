/**
 * How much room the log on disk may take: shares of `log-max-mb`, and of the file system.
 *
 *     0 ─── segments ───────────────────── giveWay ─── full ─── max
 *                                             │          │       └ reserve, for draining
 *                                             │          └ new writes are refused
 *                                             └ the output that is furthest behind gives way
 *
 * One gives way before it is full: else every segment's worth of new writes would be refused for as
 * long as it takes to make room for it.
 */

import type { FileSystem } from '../file-system.ts'
import { SEGMENT_BYTES } from '../segments/segment-log.ts'

const SEGMENTS_IN_BOUND = 16
export const SEGMENT_MIN_BYTES = 64 * 1024
/** Of all, what is kept free for draining; at the most RESERVE_MAX_BYTES. */
const RESERVE_SHARE = 1 / 8
const RESERVE_MAX_BYTES = 64 * 1024 * 1024
/** What is left alone of the file system: a share of it, at the most FREE_FLOOR_MAX_BYTES. */
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

/** So many segments fit, that trimming the oldest gives back a small part of the whole. */
export async function fittingSegmentBytes(room: Room, maxBytes: number): Promise<number> {
  const { totalBytes } = await room.files.space(room.folder)
  const share = Math.min(maxBytes, totalBytes) / SEGMENTS_IN_BOUND
  return Math.max(SEGMENT_MIN_BYTES, Math.min(SEGMENT_BYTES, Math.floor(share)))
}

/** Whether so little of the file system is free that nothing new may be stored. */
export async function isSpaceLow({ files, folder }: Room): Promise<boolean> {
  const { freeBytes, totalBytes } = await files.space(folder)
  return freeBytes < Math.min(FREE_FLOOR_MAX_BYTES, totalBytes * FREE_FLOOR_SHARE)
}
