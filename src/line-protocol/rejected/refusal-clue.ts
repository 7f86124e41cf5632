/**
 * What InfluxDB says about the lines of a request that it has refused: one reason and a count, and
 * never the lines. Which ones fit that is found out in refused-lines.ts. Pure.
 */

export type FieldType = 'float' | 'integer' | 'unsigned' | 'string' | 'boolean'

export type RefusalClue =
  /** Names as InfluxDB shows them, without escapes. */
  | {
      readonly kind: 'field'
      readonly measurement: string
      readonly field: string
      /** The type that was refused. */
      readonly type: FieldType
    }
  /** Lines beyond a retention policy: those with the smallest timestamps. */
  | { readonly kind: 'oldest' }
  /** Counted from 0 over all lines of the request. */
  | { readonly kind: 'line-numbers'; readonly lines: readonly number[] }
  | { readonly kind: 'unknown' }

const UNKNOWN: RefusalClue = { kind: 'unknown' }

/** Behind other words, as in `failure writing points to database: partial write: field type …`. */
const CONFLICT_HEAD = /^(?:[\w ]+: )*field type conflict: input field "/
const CONFLICT_TAIL = /^(\w+), already exists as type \w+(?: dropped=\d+.*)?$/s
/** InfluxDB 1.x up to 1.8. */
const BEYOND_RETENTION = /^(?:[\w ]+: )*points beyond retention policy(?: dropped=\d+.*)?$/s
/** InfluxDB 1.12 and 2.7 name the oldest and the newest of what they dropped, and a bound each. */
const OUTSIDE_RETENTION = /^(?:[\w ]+: )*dropped \d+ points outside retention policy of duration /
const VIOLATION = ' dropped because it violates a '
const TOO_OLD =
  /^(?:Retention Policy|Write Window) Lower Bound at \S+ dropped=\d+(?: for database: .*)?$/s
/** InfluxDB 1.12 says behind the count where that was. */
const DROPPED = /^(.* dropped=)(\d+)(?= for database: |$)/s

/** @param text the error of a v1 or v2 answer */
export function refusalClue(text: string): RefusalClue {
  if (BEYOND_RETENTION.test(text) || isOutsideRetention(text)) return { kind: 'oldest' }
  const head = CONFLICT_HEAD.exec(text)?.[0]
  if (head === undefined) return UNKNOWN
  // Names stand there as they are, without escapes: one that holds a piece of the sentence around
  // it could be cut at the wrong place.
  const [field = '', afterField, ...more] = text.slice(head.length).split('" on measurement "')
  const [measurement = '', tail = '', ...evenMore] = (afterField ?? '').split('" is type ')
  const type = CONFLICT_TAIL.exec(tail)?.[1] ?? ''
  if (more.length > 0 || evenMore.length > 0 || !isFieldType(type)) return UNKNOWN
  return { kind: 'field', measurement, field, type }
}

/** When the newest of the dropped points, which is named last, is too old, all of them are. */
function isOutsideRetention(text: string): boolean {
  if (!OUTSIDE_RETENTION.test(text)) return false
  return TOO_OLD.test(text.slice(text.lastIndexOf(VIOLATION) + VIOLATION.length))
}

/** How many lines InfluxDB says it has dropped. @returns `undefined` when it does not say */
export function droppedCount(text: string): number | undefined {
  const count = Number(DROPPED.exec(text)?.[2] ?? 0)
  // A partial write for a line that does not parse says `dropped=0` whatever their number.
  return count > 0 ? count : undefined
}

/** InfluxDB's text with its `dropped=` count replaced: for one client of a merged request. */
export function withDropped(text: string, count: number): string {
  return text.replace(DROPPED, (_, before: string) => `${before}${count}`)
}

function isFieldType(text: string): text is FieldType {
  return ['float', 'integer', 'unsigned', 'string', 'boolean'].includes(text)
}
