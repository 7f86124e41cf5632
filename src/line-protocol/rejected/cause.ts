/**
 * Reads InfluxDB's error about refused lines of a request. The error has one reason and a count,
 * but does not name the lines; partition.ts finds the lines that match. Pure.
 */

export type FieldType = 'float' | 'integer' | 'unsigned' | 'string' | 'boolean'

export type RefusalCause =
  /** Names as InfluxDB shows them, without escapes. */
  | {
      readonly kind: 'field'
      readonly measurement: string
      readonly field: string
      /** The type that was refused. */
      readonly type: FieldType
    }
  /** Lines beyond a retention policy: the lines with the smallest timestamps. */
  | { readonly kind: 'oldest' }
  /** Line numbers, counted from 0 over all lines of the request. */
  | { readonly kind: 'line-numbers'; readonly lines: readonly number[] }
  | { readonly kind: 'unknown' }

const UNKNOWN: RefusalCause = { kind: 'unknown' }

/** Other words may precede: `failure writing points to database: partial write: field type …`. */
const CONFLICT_HEAD = /^(?:[\w ]+: )*field type conflict: input field "/
const CONFLICT_TAIL = /^(\w+), already exists as type \w+(?: dropped=\d+.*)?$/s
/** InfluxDB 1.x up to 1.8. */
const BEYOND_RETENTION = /^(?:[\w ]+: )*points beyond retention policy(?: dropped=\d+.*)?$/s
/** InfluxDB 1.12 and 2.7 name the oldest and the newest dropped point, each with its bound. */
const OUTSIDE_RETENTION = /^(?:[\w ]+: )*dropped \d+ points outside retention policy of duration /
const VIOLATION = ' dropped because it violates a '
const TOO_OLD =
  /^(?:Retention Policy|Write Window) Lower Bound at \S+ dropped=\d+(?: for database: .*)?$/s
/** InfluxDB 1.12 names the database after the count. */
const DROPPED = /^(.* dropped=)(\d+)(?= for database: |$)/s

/** @param text the error of a v1 or v2 answer */
export function refusalCause(text: string): RefusalCause {
  if (BEYOND_RETENTION.test(text) || isOutsideRetention(text)) return { kind: 'oldest' }
  const head = CONFLICT_HEAD.exec(text)?.[0]
  if (head === undefined) return UNKNOWN
  // The text holds names without escapes, so a name that contains a piece of the surrounding
  // sentence could be cut in the wrong place. Such a text is unknown.
  const [field = '', afterField, ...more] = text.slice(head.length).split('" on measurement "')
  const [measurement = '', tail = '', ...evenMore] = (afterField ?? '').split('" is type ')
  const type = CONFLICT_TAIL.exec(tail)?.[1] ?? ''
  if (more.length > 0 || evenMore.length > 0 || !isFieldType(type)) return UNKNOWN
  return { kind: 'field', measurement, field, type }
}

/** All dropped points are too old if the newest of them is, which the text names last. */
function isOutsideRetention(text: string): boolean {
  if (!OUTSIDE_RETENTION.test(text)) return false
  return TOO_OLD.test(text.slice(text.lastIndexOf(VIOLATION) + VIOLATION.length))
}

/** The number of lines that InfluxDB dropped. @returns `undefined` if the text does not say */
export function droppedCount(text: string): number | undefined {
  const count = Number(DROPPED.exec(text)?.[2] ?? 0)
  // A partial write with unparsable lines says `dropped=0`, whatever the number of these lines.
  return count > 0 ? count : undefined
}

/** InfluxDB's text with another `dropped=` count, for one client of a merged request. */
export function withDropped(text: string, count: number): string {
  return text.replace(DROPPED, (_, before: string) => `${before}${count}`)
}

function isFieldType(text: string): text is FieldType {
  return ['float', 'integer', 'unsigned', 'string', 'boolean'].includes(text)
}
