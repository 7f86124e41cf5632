/**
 * The memory budget that the process can have: `max-memory-mb`, within half of V8's heap.
 *
 * Small writes are mostly objects of V8's heap, and V8 ends the process at the limit of its heap.
 */

import type { Logger } from '../std/logger.ts'
import { heapLimitBytes } from './v8-heap.ts'

/** The other half is for the program, and for garbage until V8 collects it. */
const HEAP_SHARE = 1 / 2
const MIB = 2 ** 20

/** @returns bytes; logs a warning when they are less than `maxBytes` */
export function memoryLimit(
  maxBytes: number,
  logger: Logger,
  heapBytes = heapLimitBytes(),
): number {
  const limitBytes = Math.floor(heapBytes * HEAP_SHARE)
  if (maxBytes <= limitBytes) return maxBytes
  const text =
    `max-memory-mb is ${Math.floor(maxBytes / MIB)}, but the limit of Node's heap is ` +
    `${Math.floor(heapBytes / MIB)} MB: the relay uses ${Math.floor(limitBytes / MIB)} MB. ` +
    'To use more, raise --max-old-space-size (NODE_OPTIONS)'
  logger.warn({ limitBytes }, text)
  return limitBytes
}
