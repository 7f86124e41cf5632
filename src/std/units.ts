/** Renders amounts for people: bytes, times and counts in log lines. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** `2.1 MB`; decimal units. */
export function renderBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** `350 ms`, `8.2 s`, `12 min`. */
export function renderWait(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.round(ms / 60_000)} min`
}

/** `1 write`, `12 writes`. */
export function renderCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
