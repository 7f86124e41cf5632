/** The names of a segment's files in the log's folder. Pure. */

import { join } from 'node:path'

/** Holds damaged parts of segments, and whole files that cannot be read as segments. */
const QUARANTINE_FOLDER = 'quarantine'
const TORN_ENDING = '.torn'

/** 16 hex digits, so that the order of the names is the order of the numbers. */
export function segmentName(firstSequence: number): string {
  return `${firstSequence.toString(16).padStart(16, '0')}.seg`
}

/** Whether the log treats a file of this name as a segment; its content may be anything. */
export function isSegmentName(name: string): boolean {
  return /^[0-9a-f]{16}\.seg$/.test(name)
}

/** The file beside the segment that keeps its torn tail. */
export function tornName(segment: string): string {
  return segment + TORN_ENDING
}

export function isTornName(name: string): boolean {
  return name.endsWith(TORN_ENDING) && isSegmentName(name.slice(0, -TORN_ENDING.length))
}

export function quarantineFolder(folder: string): string {
  return join(folder, QUARANTINE_FOLDER)
}

/** `…seg-00000000000004a0.bad`: the damaged part of the segment that begins at byte `at`. */
export function damageName(segment: string, at: number): string {
  return `${segment}-${at.toString(16).padStart(16, '0')}.bad`
}
