/**
 * Names in one scanned line, for filters: as the database shows them, without escapes.
 */

import { skipBlanks } from './bytes.ts'
import { readKey, type SeriesKey } from './key.ts'

/** The measurement of an accepted line; '' for what is none. */
export function measurementOf(line: Buffer): string {
  const key = keyOf(line)
  if (key === undefined) return ''
  // InfluxDB unescapes these four in a measurement, though only the first two need it.
  return line.toString('utf8', key.from, key.measurementEnd).replace(/\\([, "=])/g, '$1')
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
