/**
 * One accepted client request in the form in which the log holds it: target, credentials and bytes.
 *
 * Promise: `body` of a `lines` write contains only lines that InfluxDB 1.x accepts. Each line has a
 * timestamp in `target.precision` and ends with a newline, so that the bodies of any two writes
 * with the same target can be concatenated.
 */

import type { Precision } from '../line-protocol/precision.ts'
import { detachedText, free } from '../std/unpooled.ts'
import type { Client } from './merge-penalty.ts'

/**
 * The client's credentials, passed on to outputs without configured credentials.
 *
 * Kept in their original form, because a user name with a colon cannot be converted to Basic.
 */
export interface Credentials {
  /** Value of the `Authorization` header, or ''. */
  readonly authorization: string
  /** `u=…&p=…`, percent-encoded, or ''. */
  readonly query: string
}

export const NO_CREDENTIALS: Credentials = { authorization: '', query: '' }

/** The target of a write. Writes with equal `key` may be merged into one request. */
export interface WriteTarget {
  /** The stream: the unit of order. */
  readonly database: string
  /** '' for the database's default. */
  readonly retentionPolicy: string
  readonly precision: Precision
  readonly credentials: Credentials
  readonly key: string
}

export function writeTarget(parts: Omit<WriteTarget, 'key'>): WriteTarget {
  const { precision } = parts
  const { authorization, query } = parts.credentials
  const key = JSON.stringify([
    parts.database,
    parts.retentionPolicy,
    precision,
    authorization,
    query,
  ])
  // Copy the strings: V8 keeps a substring of a request head as a view of the whole head, and a
  // target may stay in memory for hours.
  const database = detachedText(parts.database)
  const retentionPolicy = detachedText(parts.retentionPolicy)
  const credentials = { authorization: detachedText(authorization), query: detachedText(query) }
  return { database, retentionPolicy, precision, credentials, key }
}

interface WriteBase {
  readonly target: WriteTarget
  readonly body: Buffer
  /** Lines in `body`; 1 for bodies that are not line protocol. The unit of all accounting. */
  readonly lineCount: number
  /** Wall clock at receipt, milliseconds since the Unix epoch. */
  readonly receivedAtMs: number
  /** The client connection; absent where clients cannot be distinguished (UDP). */
  readonly client?: Client
}

/** A body in the compressed form in which the client sent it. */
export interface PackedBody {
  /** The unpacked body. A write with another body has lost lines, so `bytes` is not its content. */
  readonly of: Buffer
  /** gzip, with one or several members. */
  readonly bytes: Buffer
}

/** Line protocol. May be merged with neighbouring writes. */
export interface LinesWrite extends WriteBase {
  readonly kind: 'lines'
  /** Absent when the client sent the body uncompressed, or when no output uses it. */
  readonly packed?: PackedBody
}

/** A statement that changes the database (`CREATE DATABASE`); `body` is its text. Never merged. */
export interface StatementWrite extends WriteBase {
  readonly kind: 'statement'
}

/** A body in a format that the relay does not parse (Prometheus remote write). Never merged. */
export interface OpaqueWrite extends WriteBase {
  readonly kind: 'opaque'
  /** Request headers that describe the body, with lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export type Write = LinesWrite | StatementWrite | OpaqueWrite

/** The body in gzip, as the client sent it; `undefined` when there is no such form of it. */
export function packedBody(write: Write): Buffer | undefined {
  if (write.kind !== 'lines' || write.packed?.of !== write.body) return undefined
  return write.packed.bytes
}

/**
 * Frees the bodies of a write that goes nowhere.
 *
 * @returns the bytes that are left to the garbage collector
 */
export function freeBodies(write: Write): number {
  const packed = packedBody(write)
  return free(write.body) + (packed === undefined ? 0 : free(packed))
}
