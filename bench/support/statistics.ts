/** Medians, percentiles, and the format of figures. */

/** The median of rounds; of an even number, the lower of the two in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN
}

/**
 * The value below which that share of the values lies.
 *
 * @param sorted ascending
 * @param share in [0, 1)
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN
}

/** About three digits; whole numbers keep all digits, with a comma between thousands. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = [100, 10, 0.1].findIndex((limit) => Math.abs(value) >= limit)
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits < 0 ? 3 : digits,
    maximumFractionDigits: digits < 0 ? 3 : digits,
  })
}
