/**
 * Finds where the head of a request ends, as its bytes come in.
 *
 * Lines end in CR LF, or all of them in a bare LF, as RFC 9112 2.2 allows and Go's server takes it.
 * Not some in this and some in that: a server in front of us for which a bare LF is a part of a
 * header's value would hand on a head in which we saw one more header than it did
 * (docs/decisions/canonical-requests.md).
 */

import { because, type RefusedHead } from './request-head.ts'

const LF = 0x0a
const CR = 0x0d
const MIXED = because('some lines end in CR LF and some in LF')

export type HeadScanResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly refusal: RefusedHead }
  /** `lines` without their ends; what follows begins at `end`. */
  | { readonly kind: 'complete'; readonly lines: readonly string[]; readonly end: number }

const INCOMPLETE: HeadScanResult = { kind: 'incomplete' }

export class HeadScan {
  /** Where the next line end is looked for. */
  #searchedTo: number
  readonly #start: number
  #lineStart: number
  #lineEnd: '\n' | '\r\n' | undefined

  /** @param start where the head begins */
  constructor(start: number) {
    this.#start = start
    this.#lineStart = start
    this.#searchedTo = start
  }

  /** @param bytes what has come so far, each time from the same beginning */
  read(bytes: Buffer): HeadScanResult {
    for (;;) {
      const lfAt = bytes.indexOf(LF, this.#searchedTo)
      if (lfAt < 0) {
        this.#searchedTo = bytes.length
        return INCOMPLETE
      }
      const hasCr = lfAt > this.#lineStart && bytes[lfAt - 1] === CR
      const lineEnd = hasCr ? '\r\n' : '\n'
      this.#lineEnd ??= lineEnd
      if (lineEnd !== this.#lineEnd) return { kind: 'refused', refusal: MIXED }
      const isEmpty = lfAt + 1 - this.#lineStart === lineEnd.length
      if (isEmpty) return this.#complete(bytes, lfAt + 1)
      this.#lineStart = lfAt + 1
      this.#searchedTo = lfAt + 1
    }
  }

  #complete(bytes: Buffer, end: number): HeadScanResult {
    const { length } = this.#lineEnd ?? ''
    const text = bytes.toString('latin1', this.#start, Math.max(this.#start, end - 2 * length))
    return { kind: 'complete', lines: text.split(this.#lineEnd ?? '\n'), end }
  }
}
