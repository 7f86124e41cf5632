/**
 * The unit of a request's timestamps, and its spelling on each server.
 *
 * The spellings differ: v1 knows `u` but not `us`, v2 the reverse, and v2's `/write` silently takes
 * `u`, `m` and `h` for nanoseconds. So the listener parses a token once, and each output writes its
 * own spelling.
 */

export const PRECISIONS = ['ns', 'us', 'ms', 's', 'm', 'h'] as const
export type Precision = (typeof PRECISIONS)[number]

const NS_PER: Readonly<Record<Precision, bigint>> = {
  ns: 1n,
  us: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

/** Nanoseconds in one unit of `precision`. */
export function nsPer(precision: Precision): bigint {
  return NS_PER[precision]
}

const V1_TOKENS: ReadonlyMap<string, Precision> = new Map([
  ['', 'ns'],
  ['n', 'ns'],
  ['ns', 'ns'],
  ['u', 'us'],
  ['ms', 'ms'],
  ['s', 's'],
  ['m', 'm'],
  ['h', 'h'],
])

/** @returns the meaning of `token` on InfluxDB 1.x, or `undefined` if InfluxDB refuses the token */
export function parseV1Precision(token: string): Precision | undefined {
  return V1_TOKENS.get(token)
}

/** The spelling of `/write` on InfluxDB 1.x. */
export function renderV1Precision(precision: Precision): string {
  if (precision === 'ns') return 'n'
  return precision === 'us' ? 'u' : precision
}
