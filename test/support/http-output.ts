/**
 * An HTTP destination for one URL, and batches to send there, for tests of its verdicts.
 *
 *     const send = openSender(t, influxd.url)
 *     const verdict = await send(['m v=1 1\n', 'm v=2 2\n'], { db: 'd' })
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { HttpOutputConfig } from '../../src/config/config.ts'
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import { openHttpDestination } from '../../src/destinations/http/http-destination.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import { MemoryBudget } from '../../src/std/memory-budget.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'

export interface OutputCursor {
  readonly db?: string
  readonly rp?: string
}

/** Each text is the body of one write. */
export type Send = (texts: readonly string[], place?: OutputCursor) => Promise<Verdict>

export function openSender(
  t: Pick<TestContext, 'after'>,
  origin: string,
  changes: Partial<HttpOutputConfig> = {},
  clock: Clock = systemClock,
): Send {
  const config: HttpOutputConfig = {
    kind: 'http',
    name: 'o',
    location: origin,
    origin,
    dialect: 'v1',
    paths: { write: '/write', prometheusWrite: '/prom', ping: '/ping', query: '/query' },
    bufferBytes: 1e6,
    batchMaxBytes: 1e6,
    timeoutMs: 3_600_000,
    delayMaxMs: 1000,
    filters: [],
    credentials: undefined,
    gzip: false,
    missingDbGraceMs: 1000,
    tls: {
      skipVerification: false,
      ca: undefined,
      cert: undefined,
      key: undefined,
      serverName: undefined,
    },
    ...changes,
  }
  const memory = new MemoryBudget(2 ** 30)
  const parts = { clock, userAgent: 'test', memory }
  const destination = openHttpDestination({ config, ...parts })
  t.after(async () => {
    await destination[Symbol.asyncDispose]()
    assert.equal(memory.usedBytes, 0, 'memory that was taken for a request is given back')
  })
  return (texts, place) => destination.send(batchOf(texts, place), { onTimeout() {} })
}

function batchOf(texts: readonly string[], { db = 'db', rp = '' }: OutputCursor = {}): Payload {
  const parts = { database: db, retentionPolicy: rp, credentials: NO_CREDENTIALS }
  const target = writeTarget({ ...parts, precision: 'ns' })
  const writes = texts.map((text): Write => {
    const lineCount = text.split('\n').length - 1
    return { kind: 'lines', target, body: Buffer.from(text), lineCount, receivedAtMs: 0 }
  })
  return { target, writes, bytes: writes.reduce((sum, { body }) => sum + body.length, 0) }
}
