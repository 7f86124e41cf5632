/**
 * Names in one scanned line, for filters: without escapes, as the database stores them.
 */

import { BACKSLASH, byteAt, COMMA, EQUALS, NUL, QUOTE, SPACE, skipBlanks } from '../bytes.ts'
import { readKey, type SeriesKey, type Span } from '../scan/series-key.ts'

/** InfluxDB unescapes these four in measurements and fields, though only some need it. */
const NAME_ESCAPES: readonly number[] = [COMMA, SPACE, QUOTE, EQUALS]
const TAG_ESCAPES: readonly number[] = [COMMA, SPACE, EQUALS]

/** The measurement of an accepted line; empty for any other line. */
export function measurementOf(line: Buffer): Buffer {
  const key = keyOf(line)
  const end = key?.measurementEnd ?? 0
  return unescaped(line, { from: key?.from ?? 0, end }, NAME_ESCAPES)
}

/** The name of a measurement or a field. */
export function nameAt(bytes: Buffer, span: Span): string {
  return unescaped(bytes, span, NAME_ESCAPES).toString('utf8')
}

/** The tag keys of an accepted line, in the line's order. */
export function tagKeysOf(line: Buffer): Buffer[] {
  const tagKeys = keyOf(line)?.tagKeys ?? []
  return tagKeys.map((span) => unescaped(line, span, TAG_ESCAPES))
}

/** Returns a view of the line unless the name has escapes, which is rare. */
function unescaped(line: Buffer, { from, end }: Span, escapes: readonly number[]): Buffer {
  const name = line.subarray(from, end)
  if (!name.includes(BACKSLASH)) return name
  const plain = Buffer.allocUnsafe(name.length)
  let length = 0
  for (let i = 0; i < name.length; i++) {
    if (byteAt(name, i) === BACKSLASH && escapes.includes(name[i + 1] ?? NUL)) i++
    plain[length++] = byteAt(name, i)
  }
  return plain.subarray(0, length)
}

function keyOf(line: Buffer): SeriesKey | undefined {
  const key = readKey(line, skipBlanks(line, 0, line.length), line.length)
  return typeof key === 'string' ? undefined : key
}
