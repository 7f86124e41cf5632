/**
 * Copies that stand alone in memory. What Node's own `concat`, `from` and `allocUnsafe` give comes
 * out of pools of 64 KB: a body that waits for hours would keep its neighbours' memory, too.
 */

export function ownCopy(bytes: Buffer, from = 0, end = bytes.length): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - from)
  bytes.copy(copy, 0, from, end)
  return copy
}

/** The same bytes: a copy where the memory behind them is larger by more than a quarter. */
export function withoutRest(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength > bytes.length * 1.25 ? ownCopy(bytes) : bytes
}

/** The same text in memory of its own: V8 may have it as a view of a much longer one. */
export function ownText(text: string): string {
  const copy: unknown = JSON.parse(JSON.stringify(text))
  return String(copy)
}

/** Smaller ones are collected soon enough, at less cost. */
const FREED_MIN_BYTES = 64 * 1024

/**
 * Gives the memory of a large buffer back at once. Left alone it would stay until V8 marks its
 * whole heap, and a client could make a hundred megabytes of such bodies in the meantime.
 *
 * To be called by the only one who still has the bytes, and never of what was handed to a socket or
 * to another thread: the buffer is empty from here on.
 *
 * @returns the bytes that were left to the garbage collector: none, or all
 */
export function free(bytes: Buffer): number {
  const { buffer, length } = bytes
  const isAlone = buffer.byteLength === length && buffer instanceof ArrayBuffer
  if (length < FREED_MIN_BYTES || !isAlone) return length
  buffer.transfer(0)
  return 0
}

/** The first `length` bytes of what is the caller's alone, in memory that is hardly larger. */
export function trimmed(bytes: Buffer, length: number): Buffer {
  const start = bytes.subarray(0, length)
  const whole = withoutRest(start)
  if (whole !== start) free(bytes)
  return whole
}

/** @param length of all parts together */
export function ownConcat(parts: readonly Buffer[], length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const part of parts) at += part.copy(whole, at)
  return whole
}
