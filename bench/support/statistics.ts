/** Medians, percentiles, and how figures are printed. */

/** Of rounds; the lower of the two in the middle where their number is even. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN
}

/**
 * The value below which that share of them lies.
 *
 * @param sorted rising
 * @param share in [0, 1)
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN
}

/** Three digits or so; whole numbers have all of theirs, with thousands set apart. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = [100, 10, 0.1].findIndex((limit) => Math.abs(value) >= limit)
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits < 0 ? 3 : digits,
    maximumFractionDigits: digits < 0 ? 3 : digits,
  })
}
