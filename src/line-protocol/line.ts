/**
 * Names in one scanned line, for filters: as the database shows them, without escapes.
 */

import { skipBlanks } from './bytes.ts'
import { readKey, type SeriesKey, type Span } from './key.ts'

/** The measurement of an accepted line; '' for what is none. */
export function measurementOf(line: Buffer): string {
  const key = keyOf(line)
  return key === undefined ? '' : nameAt(line, { from: key.from, end: key.measurementEnd })
}

/** The name of a measurement or a field. */
export function nameAt(bytes: Buffer, { from, end }: Span): string {
  // InfluxDB unescapes these four in both, though only some need it.
  return bytes.toString('utf8', from, end).replace(/\\([, "=])/g, '$1')
}

/** The tag keys of an accepted line, in the line's order. */
export function tagKeysOf(line: Buffer): string[] {
  const tagKeys = keyOf(line)?.tagKeys ?? []
  return tagKeys.map(({ from, end }) =>
    line.toString('utf8', from, end).replace(/\\([, =])/g, '$1'),
  )
}

function keyOf(line: Buffer): SeriesKey | undefined {
  const key = readKey(line, skipBlanks(line, 0, line.length), line.length)
  return typeof key === 'string' ? undefined : key
}
