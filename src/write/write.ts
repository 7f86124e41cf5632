/**
 * One accepted client request, as it stands in the log: where it goes, on whose word, and its
 * bytes.
 *
 * Promise: `body` of a `lines` write holds only lines that InfluxDB 1.x accepts, each with a
 * timestamp in `target.precision` and each ended by a newline, so that any two of one target may be
 * joined end to end.
 */

import type { Precision } from '../line-protocol/precision.ts'
import { free, ownText } from '../std/own-memory.ts'
import type { Client } from './merge-penalty.ts'

/**
 * The client's credentials, passed on to outputs that have none of their own.
 *
 * Kept in the form in which they came, because a user name with a colon does not survive Basic.
 */
export interface Credentials {
  /** Value of the `Authorization` header, or ''. */
  readonly authorization: string
  /** `u=…&p=…`, percent-encoded, or ''. */
  readonly query: string
}

export const NO_CREDENTIALS: Credentials = { authorization: '', query: '' }

/** Where a write goes. Writes of equal `key` may be merged into one request. */
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
  // To V8 a string that was cut out of a head is a view of all of it, and a target may be kept for
  // hours.
  const database = ownText(parts.database)
  const retentionPolicy = ownText(parts.retentionPolicy)
  const credentials = { authorization: ownText(authorization), query: ownText(query) }
  return { database, retentionPolicy, precision, credentials, key }
}

interface WriteBase {
  readonly target: WriteTarget
  readonly body: Buffer
  /** Lines in `body`; 1 for what is not line protocol. The unit of all accounting. */
  readonly lineCount: number
  /** Wall clock at receipt, milliseconds since the Unix epoch. */
  readonly receivedAtMs: number
  /** Who sent it; absent where nobody can be told apart (UDP). */
  readonly client?: Client
}

/** A body as its client has packed it. */
export interface PackedBody {
  /** What it unpacks to. A write with any other body is not this one: lines of it were left out. */
  readonly of: Buffer
  /** gzip, one member or several. */
  readonly bytes: Buffer
}

/** Line protocol. Merged with its neighbours. */
export interface LinesWrite extends WriteBase {
  readonly kind: 'lines'
  /** Absent where it did not come so, or nobody has a use for it. */
  readonly packed?: PackedBody
}

/** A statement that changes the database (`CREATE DATABASE`); `body` is its text. Never merged. */
export interface StatementWrite extends WriteBase {
  readonly kind: 'statement'
}

/** A body in a format that we do not read (Prometheus remote write). Never merged. */
export interface OpaqueWrite extends WriteBase {
  readonly kind: 'opaque'
  /** Request headers that say what the body is, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export type Write = LinesWrite | StatementWrite | OpaqueWrite

/** The write's body in gzip, as its client has packed it; `undefined` when there is none. */
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
