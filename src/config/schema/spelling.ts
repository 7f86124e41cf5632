/**
 * Compares keys, and finds the key that a misspelt one probably means.
 *
 * The originals' TOML reader takes `BindAddr`, `bind_addr` and `bind-addr` for the same key.
 */

/** The form in which two spellings of one key are equal. */
export function normalizeKey(key: string): string {
  return key.toLowerCase().replace(/[_-]/g, '')
}

/** A key as it may stand in a message: quoted where it holds more than a bare key can. */
export function showKey(key: string): string {
  return /^[\w-]{1,80}$/.test(key) ? key : JSON.stringify(key.slice(0, 80))
}

/**
 * @returns the known word nearest to `given`, or `undefined` when none is near enough to suggest.
 */
export function nearestKey(given: string, known: readonly string[]): string | undefined {
  const wanted = normalizeKey(given)
  // The distance costs time quadratic in the length, and a long unknown key is no typing error.
  if (wanted.length > 40) return undefined
  let nearest: string | undefined
  let nearestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(wanted, normalizeKey(candidate))
    if (distance < nearestDistance) {
      nearest = candidate
      nearestDistance = distance
    }
  }
  return nearest
}

/** Optimal string alignment: insertions, deletions, substitutions and swapped neighbours cost 1. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap = row > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}
