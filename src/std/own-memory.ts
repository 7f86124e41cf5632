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

/** @param length of all parts together */
export function ownConcat(parts: readonly Buffer[], length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const part of parts) at += part.copy(whole, at)
  return whole
}
