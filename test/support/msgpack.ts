/**
 * Decodes the MessagePack that InfluxDB 1.x sends: exact where JSON is not.
 *
 * InfluxDB's JSON writes integers and floats alike and its nanosecond times are beyond 2^53. In
 * MessagePack integers are integers (`bigint` here) and floats are floats (`number`). Extensions,
 * which InfluxDB uses for times only when no `epoch` is asked for, are refused.
 */

export type MsgpackValue =
  | bigint
  | number
  | string
  | boolean
  | null
  | readonly MsgpackValue[]
  | { readonly [key: string]: MsgpackValue }

export function decodeMsgpack(bytes: Buffer): MsgpackValue {
  return new Decoder(bytes).value()
}

class Decoder {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  value(): MsgpackValue {
    const kind = this.#bytes.readUInt8(this.#skip(1))
    if (kind <= 0x7f) return BigInt(kind)
    if (kind >= 0xe0) return BigInt(kind - 256)
    if (kind <= 0x8f) return this.#map(kind & 0x0f)
    if (kind <= 0x9f) return this.#array(kind & 0x0f)
    if (kind <= 0xbf) return this.#string(kind & 0x1f)
    if (kind >= 0xcc && kind <= 0xd3) return this.#integer(kind)
    switch (kind) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xca:
        return this.#bytes.readFloatBE(this.#skip(4))
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#skip(8))
      case 0xc4:
      case 0xd9:
        return this.#string(this.#length(1))
      case 0xc5:
      case 0xda:
        return this.#string(this.#length(2))
      case 0xc6:
      case 0xdb:
        return this.#string(this.#length(4))
      case 0xdc:
        return this.#array(this.#length(2))
      case 0xdd:
        return this.#array(this.#length(4))
      case 0xde:
        return this.#map(this.#length(2))
      case 0xdf:
        return this.#map(this.#length(4))
      default:
        throw new Error(`MessagePack: type 0x${kind.toString(16)} at byte ${this.#at - 1}`)
    }
  }

  /** Advances and returns the former position. */
  #skip(byteCount: number): number {
    const at = this.#at
    this.#at += byteCount
    return at
  }

  #length(width: 1 | 2 | 4): number {
    return this.#bytes.readUIntBE(this.#skip(width), width)
  }

  #integer(kind: number): bigint {
    const width = 1 << (kind & 0x03)
    const at = this.#skip(width)
    if (width === 8) {
      return kind === 0xcf ? this.#bytes.readBigUInt64BE(at) : this.#bytes.readBigInt64BE(at)
    }
    const signed = kind >= 0xd0
    return BigInt(signed ? this.#bytes.readIntBE(at, width) : this.#bytes.readUIntBE(at, width))
  }

  /** Bytes that are not UTF-8 become their base64, so that they can be compared. */
  #string(byteCount: number): string {
    const at = this.#skip(byteCount)
    const bytes = this.#bytes.subarray(at, this.#at)
    const text = bytes.toString()
    return Buffer.from(text).equals(bytes) ? text : `base64:${bytes.toString('base64')}`
  }

  #array(length: number): MsgpackValue[] {
    return Array.from({ length }, () => this.value())
  }

  #map(length: number): Record<string, MsgpackValue> {
    const map: Record<string, MsgpackValue> = Object.create(null)
    for (let index = 0; index < length; index++) {
      const key = this.value()
      map[String(key)] = this.value()
    }
    return map
  }
}
