/** Helpers that render dead letters as text. Pure. */

/** ISO 8601; "unknown" for an invalid time. */
export function renderTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString()
}

export function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}
