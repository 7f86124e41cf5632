/**
 * The scanner: decides on every line of a body as InfluxDB 1.x does, before any database is asked.
 *
 * Accepted lines may be joined with other bodies of the same precision: InfluxDB accepts each line,
 * and each line has a timestamp, ends in a newline, and means the same between any other lines.
 * Comments and blank lines are dropped, because a backslash or a quote in a comment could join it
 * with the next line.
 *
 * Three tiers, each of which passes undecided lines to the next: runs of ordinary lines in
 * WebAssembly (simd-lines.ts), an ordinary line (ordinary-line.ts), any line (point.ts). Only the
 * last tier refuses lines.
 *
 * Deliberately stricter than InfluxDB for lines that InfluxDB accepts and then fails on (point.ts).
 *
 * Not here: the status and the JSON of the answer (../listeners).
 */

import { free, unpooledConcat } from '../../std/unpooled.ts'
import { byteAt, HASH, NEWLINE, skipBlanks } from '../bytes.ts'
import { OrdinaryLines } from '../fast/ordinary-line.ts'
import { SimdLines } from '../fast/simd-lines.ts'
import { simdModule } from '../fast/simd-module.ts'
import type { Precision } from '../precision.ts'
import { Edits, NOTHING } from './edits.ts'
import { lineEnd } from './line-end.ts'
import { ParseErrors } from './parse-errors.ts'
import { readPoint } from './point.ts'
import { isSettled, settle } from './self-contained-line.ts'
import { plainTimestamps } from './timestamp.ts'

export interface ScanOptions {
  /** Unit of the timestamps in the body. */
  readonly precision: Precision
  /** Called at most once, only if a line lacks a timestamp: decimal digits in `precision`. */
  readonly stamp: () => string
  /** Accept `42u`: InfluxDB 2.x and 3.x do, 1.x does not. */
  readonly unsignedIntegers: boolean
}

export interface ScannedLines {
  /** The accepted lines; the original buffer when nothing had to change. */
  readonly lines: Buffer
  readonly lineCount: number
  readonly refusedCount: number
  /** InfluxDB's text, a line for each refusal: `unable to parse '…': reason`; '' without any. */
  readonly errors: string
  /**
   * InfluxDB would accept one of the refused lines and then store nothing of the request, or crash.
   * So for the client the whole request has failed.
   */
  readonly hasUnstorable: boolean
}

/** About five lines. From this size on the SIMD tier is twice as fast (bench/scan.ts). */
const SIMD_MIN_BYTES = 512

/**
 * Decides on every line of `body`. Never throws: any body gives a result.
 *
 * @param simdMinBytes shortest body for the SIMD tier; only tests and benchmarks pass it
 */
export function scanLines(
  body: Buffer,
  options: ScanOptions,
  simdMinBytes: number = SIMD_MIN_BYTES,
): ScannedLines {
  const scan = new LineScan(body, options, simdMinBytes)
  scan.read(Number.POSITIVE_INFINITY)
  return scan.result()
}

const NEWLINE_BYTES = Buffer.from('\n')

/** A scan that can pause between two lines: a large body must not block the event loop. */
export class LineScan {
  /** The body, with a newline at its end. */
  readonly #bytes: Buffer
  /** Length of the body as received: InfluxDB's rules for the last line depend on it. */
  readonly #bodyEnd: number
  readonly #options: ScanOptions
  readonly #edits: Edits
  readonly #ordinary: OrdinaryLines
  readonly #simd: SimdLines | undefined
  readonly #parseErrors = new ParseErrors()
  /** Where the next line begins. */
  #at = 0
  #lineCount = 0
  #hasUnstorable = false
  #stamp: string | undefined
  #spacedStamp = ''

  /** @param simdMinBytes see `scanLines` */
  constructor(body: Buffer, options: ScanOptions, simdMinBytes: number = SIMD_MIN_BYTES) {
    const isEnded = body.length === 0 || byteAt(body, body.length - 1) === NEWLINE
    this.#bytes = isEnded ? body : unpooledConcat([body, NEWLINE_BYTES], body.length + 1)
    this.#bodyEnd = body.length
    this.#options = options
    this.#edits = new Edits(this.#bytes)
    this.#ordinary = new OrdinaryLines(this.#bytes, options.precision)
    this.#simd = body.length >= simdMinBytes ? this.#openSimd() : undefined
  }

  #openSimd(): SimdLines | undefined {
    if (simdModule === undefined) return undefined
    return new SimdLines(this.#bytes, {
      module: simdModule,
      edits: this.#edits,
      timestamps: plainTimestamps(this.#options.precision),
      stamp: () => this.#stampText(),
    })
  }

  /**
   * Scans the next `maxBytes`, and on to the end of the current line.
   *
   * @returns whether the whole body is scanned
   */
  read(maxBytes: number): boolean {
    const { length } = this.#bytes
    const until = Math.min(length, this.#at + maxBytes)
    const simd = this.#simd
    let from = simd === undefined ? this.#at : simd.resume(this.#at, until)
    while (from < until) {
      from = this.#readLines(from, simd === undefined ? until : Math.min(until, simd.resumeAt))
      if (simd !== undefined) from = simd.take(from, until)
    }
    this.#at = from
    return from >= length
  }

  /** Largest memory of the scan, without the body, while `moreBytes` more bytes are read. */
  heldBytesWithin(moreBytes: number): number {
    const copiedBytes = this.#bytes.length === this.#bodyEnd ? 0 : this.#bytes.length
    return copiedBytes + this.#edits.heldBytesWithin(moreBytes) + this.#parseErrors.heldBytes
  }

  /** Ends the scan early and frees its memory. `result` must not be called afterwards. */
  drop(): void {
    this.#edits.drop()
    if (this.#bytes.length !== this.#bodyEnd) free(this.#bytes)
  }

  /** Call once, when the whole body is scanned. */
  result(): ScannedLines {
    const lines = this.#edits.apply()
    if (lines !== this.#bytes && this.#bytes.length !== this.#bodyEnd) free(this.#bytes)
    return {
      lines,
      lineCount: this.#lineCount + (this.#simd?.lineCount ?? 0),
      refusedCount: this.#parseErrors.count,
      errors: this.#parseErrors.render(),
      hasUnstorable: this.#hasUnstorable,
    }
  }

  /** Reads at least one line, until one begins at `until` or later. @returns the start of that */
  #readLines(from: number, until: number): number {
    const { length } = this.#bytes
    const ordinary = this.#ordinary
    let at = from
    do {
      const next = ordinary.read(at)
      if (next > 0) {
        this.#lineCount++
        at = next
      } else if (next < 0) {
        this.#lineCount++
        at = -next
        this.#edits.insert(at - 1, this.#stampText())
      } else {
        at = this.#readOdd(at)
      }
    } while (at < until && at < length)
    return at
  }

  /** A space and a timestamp, for an ordinary line without a timestamp. */
  #stampText(): string {
    if (this.#spacedStamp === '') this.#spacedStamp = ` ${this.#stampDigits()}`
    return this.#spacedStamp
  }

  #stampDigits(): string {
    this.#stamp ??= this.#options.stamp()
    return this.#stamp
  }

  /** @returns where the next line begins */
  #readOdd(from: number): number {
    const bytes = this.#bytes
    const newlineAt = lineEnd(bytes, from, this.#bodyEnd)
    const next = Math.min(newlineAt + 1, bytes.length)
    const start = skipBlanks(bytes, from, newlineAt)
    if (start >= newlineAt || byteAt(bytes, start) === HASH) {
      this.#edits.replace(from, next, NOTHING)
      return next
    }
    // An unclosed string at the end of the body includes the last newline.
    const end = byteAt(bytes, newlineAt - 1) === NEWLINE ? newlineAt - 1 : newlineAt
    const point = readPoint(bytes, { from: start, end }, this.#options)
    if (typeof point === 'string') {
      this.#refuse({ from, start, end, next }, point)
      return next
    }
    if ('unstorable' in point) {
      this.#hasUnstorable = true
      this.#refuse({ from, start, end, next }, point.unstorable)
      return next
    }
    const hasTimestamp = point.timestamp.from < point.timestamp.end
    if (hasTimestamp && end === next - 1 && isSettled(bytes, from, next)) {
      this.#lineCount++
      return next
    }
    const settled = settle(point, {
      line: { from, end },
      stamp: () => this.#stampDigits(),
      options: this.#options,
    })
    if (settled === undefined) {
      this.#refuse({ from, start, end, next }, 'line would swallow the next one')
      return next
    }
    this.#lineCount++
    this.#edits.replace(from, next, settled)
    return next
  }

  #refuse(line: { from: number; start: number; end: number; next: number }, reason: string): void {
    this.#parseErrors.add(this.#bytes.subarray(line.start, line.end), reason)
    this.#edits.replace(line.from, line.next, NOTHING)
  }
}
