/** Dead letters as text: safe to print, whatever a client has sent. Pure. */

/**
 * With control characters spelled out: lines and reasons come from strangers, and a terminal obeys
 * what it is sent.
 */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => {
    return char === '\t' ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}

/** ISO 8601; "unknown" for what is no time. */
export function renderTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString()
}

export function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}
