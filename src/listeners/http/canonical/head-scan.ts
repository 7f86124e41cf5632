/**
 * Finds the end of a request's head while its bytes arrive.
 *
 * Either all lines end in CR LF or all end in a bare LF, which RFC 9112 2.2 allows and Go's server
 * accepts. A mix is refused: a proxy in front of the relay that takes a bare LF for a part of a
 * header's value would forward a head in which the relay sees one more header than the proxy
 * (docs/decisions/canonical-requests.md).
 */

import { because, type RefusedHead } from './request-head.ts'

const LF = 0x0a
const CR = 0x0d
const MIXED = because('some lines end in CR LF and some in LF')

export type HeadScanResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly refusal: RefusedHead }
  /** `lines` have no line ends; the bytes after the head begin at `end`. */
  | { readonly kind: 'complete'; readonly lines: readonly string[]; readonly end: number }

const INCOMPLETE: HeadScanResult = { kind: 'incomplete' }

export class HeadScan {
  /** The offset from which the next line end is searched. */
  #searchedTo: number
  readonly #start: number
  #lineStart: number
  #lineEnd: '\n' | '\r\n' | undefined

  /** @param start offset of the head */
  constructor(start: number) {
    this.#start = start
    this.#lineStart = start
    this.#searchedTo = start
  }

  /** @param bytes all bytes so far; every call starts with the same bytes */
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
