/**
 * Durations in Go's syntax: "10s", "1m30s", "1.5h", "500ms".
 *
 * The original relays read their configuration files with Go's time.ParseDuration. This parser
 * accepts exactly the same texts, with the same value to the nanosecond. The caller decides whether
 * a negative or a very long duration makes sense.
 */

const NS_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n], // U+00B5, micro sign
  ['μs', 1_000n], // U+03BC, Greek letter mu
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
])

const NS_PER_MS = 1_000_000n
const NS_PER_S = 1_000_000_000n
const INT64_LIMIT = 1n << 63n

/**
 * Reads a duration in Go's spelling.
 *
 * @returns nanoseconds, |value| < 2^63; `undefined` where Go reports an error. Never throws.
 */
export function parseDurationNs(text: string): bigint | undefined {
  const isNegative = text.startsWith('-')
  const digits = /^[-+]/.test(text) ? text.slice(1) : text
  if (digits === '0') return 0n
  if (digits === '') return undefined

  const part = /(\d*)(\.\d*)?([^\d.]+)/y
  let totalNs = 0n
  while (part.lastIndex < digits.length) {
    const match = part.exec(digits)
    const partNs =
      match === null ? undefined : parsePartNs(match[1] ?? '', match[2] ?? '', match[3])
    if (partNs === undefined) return undefined
    totalNs += partNs
    if (totalNs > INT64_LIMIT) return undefined
  }
  // Go accepts -2^63, the smallest int64; +2^63 does not fit.
  if (!isNegative && totalNs === INT64_LIMIT) return undefined
  return isNegative ? -totalNs : totalNs
}

function parsePartNs(whole: string, pointAndFraction: string, unit = ''): bigint | undefined {
  const unitNs = NS_PER_UNIT.get(unit)
  if (unitNs === undefined) return undefined
  const fraction = pointAndFraction.slice(1)
  if (whole === '' && fraction === '') return undefined
  const wholeNs = BigInt(whole === '' ? '0' : whole) * unitNs
  if (wholeNs > INT64_LIMIT) return undefined
  const ns = wholeNs + fractionNs(fraction, unitNs)
  return ns > INT64_LIMIT ? undefined : ns
}

/**
 * Computes the fraction as Go does: in float64, from the digits that fit an int64. Ignores further
 * digits.
 */
function fractionNs(digits: string, unitNs: bigint): bigint {
  let value = 0n
  let scale = 1
  for (const digit of digits) {
    const next = value * 10n + BigInt(digit)
    if (value > (INT64_LIMIT - 1n) / 10n || next > INT64_LIMIT) break
    value = next
    scale *= 10
  }
  if (value === 0n) return 0n
  return BigInt(Math.trunc(Number(value) * (Number(unitNs) / scale)))
}

/**
 * Writes a duration so that `parseDurationNs` reads the same value back: "1h30m", "1.5s", "250ms",
 * "0s".
 *
 * Like Go's Duration.String, but without zero parts ("1h" where Go has "1h0m0s").
 */
export function renderDurationNs(durationNs: bigint): string {
  if (durationNs === 0n) return '0s'
  const sign = durationNs < 0n ? '-' : ''
  const ns = durationNs < 0n ? -durationNs : durationNs
  if (ns < 1_000n) return `${sign}${ns}ns`
  if (ns < NS_PER_MS) return `${sign}${decimal(ns, 1_000n)}us`
  if (ns < NS_PER_S) return `${sign}${decimal(ns, NS_PER_MS)}ms`
  const hours = ns / 3_600_000_000_000n
  const minutes = (ns / 60_000_000_000n) % 60n
  const secondsNs = ns % 60_000_000_000n
  const parts = [
    hours > 0n ? `${hours}h` : '',
    minutes > 0n ? `${minutes}m` : '',
    secondsNs > 0n ? `${decimal(secondsNs, NS_PER_S)}s` : '',
  ]
  return sign + parts.join('')
}

/** `renderDurationNs` for the milliseconds of a configuration, rounded to whole ones. */
export function renderDurationMs(durationMs: number): string {
  return renderDurationNs(BigInt(Math.round(durationMs)) * NS_PER_MS)
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = (value % unit).toString().padStart(unit.toString().length - 1, '0')
  const trimmed = fraction.replace(/0+$/, '')
  return trimmed === '' ? `${value / unit}` : `${value / unit}.${trimmed}`
}
