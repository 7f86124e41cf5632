import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PRECISIONS } from '../../../src/line-protocol/precision.ts'
import {
  decodeRecord,
  encodeRecord,
  type LogRecord,
  PAYLOAD_MAX_BYTES,
  prepareRecord,
  type RecordContent,
  recordSeal,
} from '../../../src/log/segments/record.ts'
import { type Write, writeTarget } from '../../../src/write/write.ts'
import { contentOf } from '../../support/disk-log-fixture.ts'

const seal = recordSeal(Buffer.from('0123456789abcdef'))
const otherSeal = recordSeal(Buffer.from('0123456789abcdeX'))

function encode(content: RecordContent, sequence: number): Buffer {
  const record = prepareRecord(content)
  assert(record)
  const into = Buffer.alloc(record.bytes)
  encodeRecord(record, sequence, seal, { into, at: 0 })
  return into
}

function decode(bytes: Buffer, at = 0): LogRecord {
  const record = decodeRecord(bytes, at, seal)
  assert(typeof record !== 'string', `${record}`)
  return record
}

const text = fc.string({ unit: 'binary', maxLength: 30 })

const write: fc.Arbitrary<Write> = fc
  .record({
    kind: fc.constantFrom('lines' as const, 'statement' as const, 'opaque' as const),
    database: text,
    retentionPolicy: text,
    precision: fc.constantFrom(...PRECISIONS),
    authorization: text,
    query: text,
    headers: fc.dictionary(text, text, { noNullPrototype: true }),
    body: fc.uint8Array({ maxLength: 300 }),
    lineCount: fc.nat(),
    receivedAtMs: fc.double({ noNaN: true }),
  })
  .map(({ kind, headers, body, lineCount, receivedAtMs, ...rest }) => {
    const { database, retentionPolicy, precision, authorization, query } = rest
    const credentials = { authorization, query }
    const target = writeTarget({ database, retentionPolicy, precision, credentials })
    const base = { target, body: Buffer.from(body), lineCount, receivedAtMs }
    return kind === 'opaque' ? { kind, ...base, headers } : { kind, ...base }
  })

test('what was encoded is decoded, wherever it stands', () => {
  fc.assert(
    fc.property(write, fc.maxSafeNat(), text, fc.nat(50), (given, sequence, output, at) => {
      const content: RecordContent = {
        kind: 'write',
        write: given,
        output: output === '' ? undefined : output,
      }
      const bytes = Buffer.concat([Buffer.alloc(at), encode(content, sequence), Buffer.alloc(at)])
      const record = decode(bytes, at)
      assert.deepEqual(record, { sequence, bytes: bytes.length - 2 * at, content })
    }),
  )
})

test('a record cut at any length is torn, never a record', () => {
  const bytes = encode(contentOf('m v=1 1\n'), 7)
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeRecord(bytes.subarray(0, length), 0, seal), 'torn')
  }
})

test('a record with any bit flipped is not taken for one', () => {
  const bytes = encode(contentOf('m v=1 1\n'), 7)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    // A longer length may reach past the end.
    assert.equal(typeof decodeRecord(flipped, 0, seal), 'string', `bit ${bit}`)
  }
})

test('a record of another segment is not taken for one', () => {
  assert.equal(decodeRecord(encode(contentOf('m v=1 1\n'), 7), 0, otherSeal), 'damaged')
})

test('a kind or a version that is not known is carried as it is', () => {
  const check = (content: RecordContent) => {
    const record = decode(encode(content, 3))
    assert.deepEqual(record.content, content)
    assert.equal(record.sequence, 3)
  }
  const header = Buffer.from('what a later version knows')
  const payload = Buffer.from('and its payload')
  check({ kind: 'carried', version: 1, kindByte: 9, header, payload })
  check({ kind: 'carried', version: 2, kindByte: 1, header, payload })
  // Its fields do not add up as ours do.
  check({ kind: 'carried', version: 1, kindByte: 1, header, payload })
  check({ kind: 'carried', version: 1, kindByte: 1, header: Buffer.alloc(0), payload })
})

test('what is larger than a record may be is not prepared', () => {
  const check = (content: RecordContent, isPrepared: boolean) =>
    assert.equal(prepareRecord(content) !== undefined, isPrepared)

  check(contentOf(Buffer.alloc(PAYLOAD_MAX_BYTES)), true)
  check(contentOf(Buffer.alloc(PAYLOAD_MAX_BYTES + 1)), false)
  check(contentOf('m v=1 1\n', 'd'.repeat(0xffff)), true)
  check(contentOf('m v=1 1\n', 'd'.repeat(0x10000)), false)
})
