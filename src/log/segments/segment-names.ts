/** The names of a segment's files in the log's folder. Pure. */

import { join } from 'node:path'

/** Damaged parts, and whole files that cannot be read as segments. */
const QUARANTINE_FOLDER = 'quarantine'
const TORN_ENDING = '.torn'

/** 16 hex digits, so that names sort as their numbers do. */
export function segmentName(firstSequence: number): string {
  return `${firstSequence.toString(16).padStart(16, '0')}.seg`
}

/** Whether the file is the log's; what is in it need not be a segment. */
export function isSegmentName(name: string): boolean {
  return /^[0-9a-f]{16}\.seg$/.test(name)
}

/** What was cut from the end of the segment; kept beside it. */
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
