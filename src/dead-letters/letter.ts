/**
 * One dead letter: what an output refused for good, with the reason; as a record, and back. Pure.
 *
 * It is framed as the records of the log are (log/segments/record.ts: mark, lengths, checksum, all
 * bound to the nonce of its file), with a number of its own and kind 4. Behind the kind byte:
 *
 *     header    JSON, UTF-8: kind, database, retentionPolicy, precision, authorization, query,
 *               headers, lineCount, receivedAtMs of the write; sequence of the write in the log;
 *               status, reason, tries, deadAtMs of its death
 *     payload   the refused lines as they were sent, or the statement, or the opaque body
 *
 * The client's credentials are kept: an output without its own can only be sent a letter again with
 * them, and the log beside it holds the same, readable by the same owner. No tool ever shows them.
 *
 * Promise: a letter of a version or kind that is not known here is passed over, never an error.
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
  /** As it stood in the log, but with the refused ones of its lines only. */
  readonly write: Write
  /** Of the write in the log. */
  readonly sequence: number
  /** HTTP status of the refusal; 0 = the output has none. */
  readonly status: number
  /** The output's words. */
  readonly reason: string
  /** Attempts that had been made. */
  readonly tries: number
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly deadAtMs: number
}

export interface StoredLetter extends DeadLetter {
  /** Rises from letter to letter of one output; never used twice. */
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

/** @returns `undefined` when it is no letter that we know. The body is a part of the record. */
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
    return undefined // Intact, as its checksum says, but of somebody else's making.
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
