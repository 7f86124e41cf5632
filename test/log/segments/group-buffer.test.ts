import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupBuffer } from '../../../src/log/segments/group-buffer.ts'
import { encodeRecord, prepareRecord, recordSeal } from '../../../src/log/segments/record.ts'
import { WaitingRecord } from '../../../src/log/segments/waiting-record.ts'
import { NO_CREDENTIALS, writeTarget } from '../../../src/write/write.ts'

const SEAL = recordSeal(Buffer.from('0123456789abcdef'))
const MEGABYTE = 1024 * 1024
const target = writeTarget({
  ...{ database: 'db', retentionPolicy: '', precision: 'ns', credentials: NO_CREDENTIALS },
})

function waiting(sequence: number, bodyBytes: number): WaitingRecord {
  const body = Buffer.alloc(bodyBytes, sequence)
  const write = { kind: 'lines', target, body, lineCount: 1, receivedAtMs: 1 } as const
  const record = prepareRecord({ kind: 'write', write, output: undefined })
  return new WaitingRecord(record ?? assert.fail('too large'), sequence)
}

function oneByOne(group: readonly WaitingRecord[]): Buffer {
  return Buffer.concat(
    group.map(({ record, sequence }) => {
      const into = Buffer.alloc(record.bytes)
      encodeRecord(record, sequence, SEAL, { into, at: 0 })
      return into
    }),
  )
}

test('a group is its records one after the other, whatever was there before', () => {
  const buffer = new GroupBuffer()
  for (const sizes of [[10], [70_000, 1], [3 * MEGABYTE, 5], [5 * MEGABYTE], [1, 2, 3]]) {
    const group = sizes.map((bytes, index) => waiting(index + 1, bytes))
    assert.deepEqual(buffer.encode(group, SEAL), oneByOne(group))
  }
})

test('a record that is settled holds its bytes no longer', async () => {
  const record = waiting(1, 100)
  record.settle({ kind: 'durable' })
  assert.equal(record.record.payload.length, 0)
  assert.deepEqual(await record.result, { kind: 'durable' })
})
