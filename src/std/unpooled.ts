/**
 * Buffers and strings that own their memory, and how to free them.
 *
 * Node's `concat`, `from` and `allocUnsafe` take memory from pools of 64 KB, and V8 keeps a part of
 * a text as a view of the whole: a body or a token that waits for hours would keep the memory of
 * its neighbours in use, too.
 */

export function unpooledCopy(bytes: Buffer, from = 0, end = bytes.length): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - from)
  bytes.copy(copy, 0, from, end)
  return copy
}

/** The same bytes; a copy if the underlying memory is larger by more than a quarter. */
export function withoutRest(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength > bytes.length * 1.25 ? unpooledCopy(bytes) : bytes
}

/** A copy of the text: V8 may keep a substring as a view of a much longer string. */
export function detachedText(text: string): string {
  const copy: unknown = JSON.parse(JSON.stringify(text))
  return String(copy)
}

/** Smaller buffers are left to the garbage collector: that costs less and is soon enough. */
const FREED_MIN_BYTES = 32 * 1024

/**
 * Frees the memory of a large buffer at once. Otherwise the memory would stay in use until V8 marks
 * its whole heap, and a client could send a hundred megabytes of such bodies in the meantime.
 *
 * The buffer is empty afterwards. So the caller must be its only user, and must not have passed it
 * to a socket or to another thread.
 *
 * @returns the count of bytes left to the garbage collector: none, or all
 */
export function free(bytes: Buffer): number {
  const { buffer, length } = bytes
  const isAlone = buffer.byteLength === length && buffer instanceof ArrayBuffer
  if (length < FREED_MIN_BYTES || !isAlone) return length
  buffer.transfer(0)
  return 0
}

/**
 * The first `length` bytes, in memory that is at most a quarter larger. May free `bytes`, so the
 * caller must be its only user.
 */
export function trimmed(bytes: Buffer, length: number): Buffer {
  const start = bytes.subarray(0, length)
  const whole = withoutRest(start)
  if (whole !== start) free(bytes)
  return whole
}

/** @param length total length of the parts */
export function unpooledConcat(parts: readonly Buffer[], length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const part of parts) at += part.copy(whole, at)
  return whole
}
