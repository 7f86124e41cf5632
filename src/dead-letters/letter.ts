/**
 * Codec of one dead letter: lines that an output refused for good, with the reason. Pure.
 *
 * A letter has the framing of a log record (log/segments/record.ts: mark, lengths, checksum, all
 * bound to the nonce of its file), with a number of its own and kind 4. After the kind byte follow:
 *
 *     header    JSON, UTF-8: kind, database, retentionPolicy, precision, authorization, query,
 *               headers, lineCount, receivedAtMs of the write; sequence of the write in the log;
 *               status, reason, tries, deadAtMs of the refusal
 *     payload   the refused lines as they were sent, or the statement, or the opaque body
 *
 * A letter keeps the client's credentials: an output without credentials of its own needs them for
 * a replay. The log in the same folder holds them too, readable by the same owner. No tool ever
 * shows them.
 *
 * Promise: a letter of an unknown version or kind is skipped, and is never an error.
 *
 * Limits: a reason longer than REASON_MAX_CHARS is cut; error texts may quote whole bodies.
 */

import { PRECISIONS, type Precision } from '../line-protocol/precision.ts'
import type { LogRecord, RecordContent } from '../log/segments/record.ts'
import { unreachable } from '../std/errors.ts'
import { type Write, writeTarget } from '../write/write.ts'

const VERSION = 1
const KIND_BYTE = 4
const REASON_MAX_CHARS = 4_000
const WRITE_KINDS = ['lines', 'statement', 'opaque'] as const

export interface DeadLetter {
  /** The write as in the log, but with its refused lines only. */
  readonly write: Write
  /** Sequence number of the write in the log. */
  readonly sequence: number
  /** HTTP status of the refusal; 0 = the output has no such status. */
  readonly status: number
  /** Error text of the output. */
  readonly reason: string
  /** Attempts that were made. */
  readonly tries: number
  /** Time of the refusal: wall clock, milliseconds since the Unix epoch. */
  readonly deadAtMs: number
}

export interface StoredLetter extends DeadLetter {
  /** Ascending within one output; never used twice. */
  readonly number: number
}

export function letterContent(letter: DeadLetter): RecordContent {
  const { write, sequence, status, reason, tries, deadAtMs } = letter
  const { kind, target, lineCount, receivedAtMs } = write
  const { database, retentionPolicy, precision, credentials } = target
  const fields = {
    ...{ kind, database, retentionPolicy, precision, ...credentials },
    ...{ headers: kind === 'opaque' ? write.headers : {}, lineCount, receivedAtMs },
    ...{ sequence, status, reason: reason.slice(0, REASON_MAX_CHARS), tries, deadAtMs },
  }
  const header = Buffer.from(JSON.stringify(fields))
  return { kind: 'carried', version: VERSION, kindByte: KIND_BYTE, header, payload: write.body }
}

/** @returns `undefined` for an unknown kind or version. The body is a view of the record. */
export function decodeLetter({ sequence: number, content }: LogRecord): StoredLetter | undefined {
  if (content.kind !== 'carried') return undefined
  if (content.version !== VERSION || content.kindByte !== KIND_BYTE) return undefined
  const fields = parseFields(content.header.toString())
  const write = fields && decodeWrite(fields, content.payload)
  if (fields === undefined || write === undefined) return undefined
  return {
    number,
    write,
    sequence: countOf(fields['sequence']),
    status: countOf(fields['status']),
    reason: textOf(fields['reason']),
    tries: countOf(fields['tries']),
    deadAtMs: countOf(fields['deadAtMs']),
  }
}

type Fields = Readonly<Record<string, unknown>>

function parseFields(json: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(json)
    return isFields(parsed) ? parsed : undefined
  } catch {
    return undefined // The checksum is correct, so something else than a relay wrote this.
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decodeWrite(fields: Fields, body: Buffer): Write | undefined {
  const kind = WRITE_KINDS.find((known) => known === fields['kind'])
  const precision = PRECISIONS.find((known) => known === fields['precision'])
  if (kind === undefined || precision === undefined) return undefined
  const lineCount = countOf(fields['lineCount'])
  const receivedAtMs = countOf(fields['receivedAtMs'])
  const base = { target: decodeTarget(fields, precision), body, lineCount, receivedAtMs }
  switch (kind) {
    case 'lines':
    case 'statement':
      return { kind, ...base }
    case 'opaque':
      return { kind, ...base, headers: headersOf(fields['headers']) }
    default:
      return unreachable(kind)
  }
}

function decodeTarget(fields: Fields, precision: Precision): Write['target'] {
  return writeTarget({
    database: textOf(fields['database']),
    retentionPolicy: textOf(fields['retentionPolicy']),
    precision,
    credentials: {
      authorization: textOf(fields['authorization']),
      query: textOf(fields['query']),
    },
  })
}

function headersOf(value: unknown): Readonly<Record<string, string>> {
  if (!isFields(value)) return {}
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, textOf(text)]))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
