/**
 * Packs the lines of a batch into datagrams of at most `mtu` bytes. Pure.
 *
 *     writes      [ a b ] [ c ] [ d e f ……………… ] [ g ]
 *     datagrams   [ a b c ] [ d e ] [ f … ] [ … g ]        in order, cut at line ends only
 *
 * Consecutive small writes share a datagram. A write that fits and exceeds half of `mtu` gets its
 * own datagram and is not copied: filling the datagram up would gain little. A longer write is cut,
 * also without a copy.
 *
 * The last newline of a datagram carries no information, so it is dropped when only the newline
 * exceeds `mtu`: a line of exactly `mtu` bytes fits. A longer line is left out and reported in
 * `tooLong`.
 *
 * Invariant: the open datagram never exceeds `mtu` bytes, its last newline not counted.
 */

import { forEachLine } from '../../line-protocol/lines/split.ts'

/** Whole lines, each ended by a newline. */
export interface Lines {
  readonly body: Buffer
  readonly lineCount: number
}

export interface Datagram {
  /** Not empty, at most `mtu` bytes. */
  readonly bytes: Buffer
  readonly parts: readonly DatagramPart[]
}

/** The number of lines of one write in a datagram. */
export interface DatagramPart {
  readonly writeIndex: number
  lineCount: number
}

export interface Packed {
  readonly datagrams: readonly Datagram[]
  /** Lines longer than `mtu`, by write. Empty when all lines fit. */
  readonly tooLong: readonly DatagramPart[]
}

export function packDatagrams(writes: readonly Lines[], mtu: number): Packed {
  const packer = new Packer(mtu)
  const tooLong: DatagramPart[] = []
  for (const [writeIndex, { body, lineCount }] of writes.entries()) {
    if (body.length - 1 <= mtu) {
      const isLarge = body.length > mtu / 2
      if (isLarge) packer.flush()
      packer.add({ body, start: 0, end: body.length }, { writeIndex, lineCount })
      if (isLarge) packer.flush()
      continue
    }
    let lost = 0
    forEachLine(body, (start, end) => {
      if (end - start - 1 > mtu) lost++
      else packer.add({ body, start, end }, { writeIndex, lineCount: 1 })
    })
    if (lost > 0) tooLong.push({ writeIndex, lineCount: lost })
  }
  packer.flush()
  return { datagrams: packer.datagrams, tooLong }
}

/** Consecutive lines of one body. */
interface Piece {
  readonly body: Buffer
  readonly start: number
  end: number
}

class Packer {
  readonly datagrams: Datagram[] = []
  readonly #mtu: number
  #pieces: Piece[] = []
  #parts: DatagramPart[] = []
  #openBytes = 0

  constructor(mtu: number) {
    this.#mtu = mtu
  }

  add(piece: Piece, part: DatagramPart): void {
    const bytes = piece.end - piece.start
    if (bytes === 0) return // A receiver has no use for an empty datagram.
    if (this.#openBytes + bytes - 1 > this.#mtu) this.flush()
    const before = this.#pieces.at(-1)
    if (before !== undefined && before.body === piece.body && before.end === piece.start) {
      before.end = piece.end
    } else {
      this.#pieces.push(piece)
    }
    const partBefore = this.#parts.at(-1)
    if (partBefore !== undefined && partBefore.writeIndex === part.writeIndex) {
      partBefore.lineCount += part.lineCount
    } else {
      this.#parts.push(part)
    }
    this.#openBytes += bytes
  }

  flush(): void {
    if (this.#openBytes === 0) return
    const whole = joined(this.#pieces, this.#openBytes)
    const bytes = whole.length > this.#mtu ? whole.subarray(0, this.#mtu) : whole
    this.datagrams.push({ bytes, parts: this.#parts })
    this.#pieces = []
    this.#parts = []
    this.#openBytes = 0
  }
}

function joined(pieces: readonly Piece[], bytes: number): Buffer {
  const [first] = pieces
  if (first !== undefined && pieces.length === 1) return first.body.subarray(first.start, first.end)
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const { body, start, end } of pieces) at += body.copy(whole, at, start, end)
  return whole
}
