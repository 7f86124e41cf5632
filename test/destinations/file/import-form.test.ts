import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { FileOutputConfig } from '../../../src/config/config.ts'
import type { Payload } from '../../../src/destinations/destination.ts'
import { openFileDestination } from '../../../src/destinations/file/file-destination.ts'
import type { Precision } from '../../../src/line-protocol/precision.ts'
import { systemClock } from '../../../src/std/clock.ts'
import type { Logger } from '../../../src/std/logger.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../../src/write/write.ts'
import { openInfluxd, requireInfluxd } from '../../support/influxd.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

function payload(
  kind: 'lines' | 'statement',
  text: string,
  [db, rp, precision]: OutputCursor,
): Payload {
  const parts = { database: db, retentionPolicy: rp, precision, credentials: NO_CREDENTIALS }
  const target = writeTarget(parts)
  const lineCount = text.trimEnd().split('\n').length
  const write: Write = { kind, target, body: Buffer.from(text), lineCount, receivedAtMs: 0 }
  return { target, writes: [write], bytes: text.length }
}

type OutputCursor = readonly [db: string, rp: string, precision: Precision]

// Goal: what a file output keeps can be brought back. Method: databases, retention policies,
// precisions, odd names and three rotated files go through the real `influx -import` into one real
// server, and straight through /write into another; both must hold the same.
test('what was kept in files is the same after influx -import as what was written directly', async (t) => {
  if (!requireInfluxd(t)) return
  const [imported, direct] = await Promise.all([openInfluxd(t), openInfluxd(t)])
  const path = join(await temporaryFolder(t), 'out.lp')
  const config: FileOutputConfig = {
    ...{ kind: 'file', name: 'o', location: `file:${path}`, path, filters: [] },
    ...{ bufferBytes: 1, batchMaxBytes: 1, timeoutMs: 1, delayMaxMs: 1 },
    ...{ rotateBytes: 500_000, keepFiles: 9 },
  }
  const output = await openFileDestination({ config, clock: systemClock, logger: silent })
  t.after(() => output[Symbol.asyncDispose]())
  const send = async (kind: 'lines' | 'statement', text: string, place: OutputCursor) => {
    const verdict = await output.send(payload(kind, text, place), { onTimeout() {} })
    assert.equal(verdict.kind, 'delivered', JSON.stringify(verdict))
    const [db, rp, precision] = place
    if (kind === 'statement') await direct.query(text)
    else {
      const query = new URLSearchParams({ db, rp, precision: precision === 'ns' ? 'n' : precision })
      assert.equal((await direct.write(text, query.toString())).status, 204)
    }
  }

  await send('statement', 'CREATE DATABASE "a"', ['', '', 'ns'])
  await send('statement', 'CREATE DATABASE "b c" WITH NAME "b.default"', ['', '', 'ns'])
  const statement = 'CREATE RETENTION POLICY "ever" ON "a" DURATION INF REPLICATION 1'
  await send('statement', statement, ['', '', 'ns'])
  await send('lines', 'm,t=x v=1,s="q # \\" \\\\ é" 1700000000\nm i=2i 1700000001\n', [
    'a',
    '',
    's',
  ])
  await send('lines', 'm b=t 1700000000001\n', ['b c', '', 'ms'])
  await send('lines', '\\#m\\ ,t\\,=\\=x v=3 1700000000000000003\n', ['a', 'ever', 'ns'])
  for (let part = 0; part < 12; part++) {
    const lines = Array.from({ length: 3000 }, (_, i) => `p,n=${part} v=${i}i ${1e15 + i}\n`)
    await send('lines', lines.join(''), [part % 2 === 0 ? 'a' : 'b c', '', 'ns'])
  }

  for (const file of [`${path}.2`, `${path}.1`, path]) {
    const server = ['-host', '127.0.0.1', '-port', String(imported.port)]
    const args = ['-import', '-path', file, ...server]
    const { stdout, stderr } = await promisify(execFile)('influx', args)
    assert.match(stdout + stderr, /Failed 0 inserts/)
  }
  for (const database of ['a', 'b c']) {
    const points = await imported.points(database)
    assert(points.length > 15_000)
    assert.deepEqual(points, await direct.points(database))
  }
})
