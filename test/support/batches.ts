/** Batches as the drain loop passes them to a destination. */

import type { Payload } from '../../src/destinations/destination.ts'
import type { Precision } from '../../src/line-protocol/precision.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'

interface OutputCursor {
  readonly db?: string
  readonly rp?: string
  readonly precision?: Precision
}

/** Batches of one write each, in log order. */
export function lines(
  texts: readonly string[],
  { db = 'd', rp = '', precision = 'ns' }: OutputCursor = {},
): Payload {
  const parts = { database: db, retentionPolicy: rp, precision, credentials: NO_CREDENTIALS }
  const target = writeTarget(parts)
  const writes = texts.map((text): Write => {
    const lineCount = text.split(/ \d+\n/).length - 1
    return { kind: 'lines', target, body: Buffer.from(text), lineCount, receivedAtMs: 0 }
  })
  return { target, writes, bytes: writes.reduce((sum, { body }) => sum + body.length, 0) }
}

export function other(kind: 'statement' | 'opaque', text: string): Payload {
  const { target } = lines([])
  const base = { target, body: Buffer.from(text), lineCount: 1, receivedAtMs: 0 }
  const write: Write = kind === 'opaque' ? { kind, headers: {}, ...base } : { kind, ...base }
  return { target, writes: [write], bytes: text.length }
}
