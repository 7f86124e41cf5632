/**
 * Request ids in InfluxDB's form: version 1 (time) UUIDs.
 *
 * Cheap rather than exact: the time has a resolution of 1 ms, and a counter in the clock sequence
 * distinguishes the requests of one millisecond. The counter wraps at 16,384, which is more than a
 * relay can answer in that time.
 */

import { randomBytes } from 'node:crypto'
import type { Clock } from '../../../std/clock.ts'

/** Milliseconds from 1582-10-15, where the time of UUIDs begins (Gregorian calendar), to 1970. */
const GREGORIAN_OFFSET_MS = 12_219_292_800_000
const TICKS_PER_MS = 10_000n
const SEQUENCE_MASK = 0x3fff
const VARIANT = 0x8000

export class RequestIds {
  readonly #clock: Clock
  readonly #node = randomBytes(6).toString('hex')
  #sequence = 0
  #prefixMs = -1
  #prefix = ''

  constructor(clock: Clock) {
    this.#clock = clock
  }

  next(): string {
    const nowMs = this.#clock.wallMs()
    if (nowMs !== this.#prefixMs) {
      this.#prefixMs = nowMs
      this.#prefix = timePrefix(nowMs)
    }
    this.#sequence = (this.#sequence + 1) & SEQUENCE_MASK
    return `${this.#prefix}${(VARIANT | this.#sequence).toString(16)}-${this.#node}`
  }
}

function timePrefix(nowMs: number): string {
  const ticks = (BigInt(Math.floor(nowMs)) + BigInt(GREGORIAN_OFFSET_MS)) * TICKS_PER_MS
  const hex = ticks.toString(16).padStart(15, '0').slice(-15)
  return `${hex.slice(7)}-${hex.slice(3, 7)}-1${hex.slice(0, 3)}-`
}
