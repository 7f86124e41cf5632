/**
 * What the benchmarks measure with: a load, an output or a clock that lies makes every figure of
 * them worthless.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { AnswerReader } from '../bench/support/answer-reader.ts'
import { plainLines } from '../bench/support/bodies.ts'
import { renderWrite, runLoad } from '../bench/support/load.ts'
import { cpuSeconds, peakMegabytes } from '../bench/support/process-tree.ts'
import { startCountingSink } from '../bench/support/start-counting-sink.ts'
import { Arrivals } from './support/arrivals.ts'
import { startChild } from './support/child.ts'
import { openFakeInflux } from './support/fake-influx.ts'
import { until } from './support/wait.ts'

const BURNED_MS = 200
/** Uses so much CPU, says so, and stays for a while. */
const BURN = `
  while (process.cpuUsage().user < ${BURNED_MS * 1000});
  console.log(process.pid)
  setTimeout(() => {}, 600_000)
`

test('the counting output counts requests, lines and gzip, however the bytes are cut', async () => {
  const packed = gzipSync(plainLines(50))
  const stream = Buffer.concat([
    renderWrite(plainLines(3)),
    renderWrite(packed, { 'content-encoding': 'GZIP' }),
    renderWrite(Buffer.alloc(0)),
    renderWrite(Buffer.from('\n\n\n'), { 'Content-Encoding': 'snappy' }),
    Buffer.from('GET /ping HTTP/1.1\r\n\r\n'),
    renderWrite(plainLines(2)),
  ])
  for (const pieceBytes of [1, 7, stream.length]) {
    await using sink = await startCountingSink()
    const socket = connect({ host: '127.0.0.1', port: sink.port, noDelay: true })
    let answers = ''
    socket.on('data', (bytes) => {
      answers += bytes.toString()
    })
    for (let at = 0; at < stream.length; at += pieceBytes) {
      const piece = stream.subarray(at, at + pieceBytes)
      await new Promise<void>((resolve) => socket.write(piece, () => resolve()))
    }
    await until(() => answers.split('HTTP/1.1 204').length - 1 === 6, { what: 'six answers' })
    socket.destroy()
    const { length: gzipBytes } = packed
    assert.deepEqual(await sink.counts(), { requests: 5, lines: 5, gzipBytes, otherRequests: 1 })
  }
})

test('an answer ends where its head says, however its bytes are cut', () => {
  const check = (answer: string, expected: number) => {
    for (const cutAt of Array.from({ length: answer.length - 1 }, (_, index) => index + 1)) {
      const reader = new AnswerReader()
      assert.equal(reader.read(Buffer.from(answer.slice(0, cutAt))), undefined, `cut at ${cutAt}`)
      assert.equal(reader.read(Buffer.from(answer.slice(cutAt))), expected, `cut at ${cutAt}`)
    }
    const reader = new AnswerReader()
    assert.equal(reader.read(Buffer.from(answer)), expected)
    assert.equal(reader.read(Buffer.from(answer)), expected, 'the next one')
  }

  check('HTTP/1.1 204 No Content\r\n\r\n', 204)
  check('HTTP/1.1 204 No Content\r\nX-Influxdb-Version: 1.8.10\r\n\r\n', 204)
  check('HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\n\r\n\r\n!', 400)
  check('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200)
  check('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 503)
  const endless = new AnswerReader()
  assert.equal(endless.read(Buffer.from('HTTP/1.1 200 OK\r\n\r\nuntil it closes')), undefined)
})

test('a load waits for the answer to all that it sent, and tells what was not stored', async () => {
  const request = renderWrite(plainLines(1))
  for (const kind of [{}, { perSecond: 500 }, { isConnectionFresh: true }]) {
    let asked = 0
    await using influx = await openFakeInflux({
      answer: () => (++asked % 3 === 0 ? 503 : asked % 7 === 0 ? 'close' : 204),
    })
    const load = { port: influx.port, request, connections: 4, seconds: 0.2, ...kind }
    const { sent, stored, waitsMs } = await runLoad(load)
    const refused = Math.floor(asked / 3)
    const closed = Math.floor(asked / 7) - Math.floor(asked / 21)
    const what = JSON.stringify(kind)
    assert.ok(sent > 0, what)
    assert.equal(sent, asked, what)
    assert.equal(stored, asked - refused - closed, what)
    assert.equal(waitsMs.length, asked - closed, what)
    assert.equal(influx.received, plainLines(1).toString().repeat(asked), what)
  }
})

test('an open loop sends by the clock, and counts waits from when they were due', async () => {
  await using influx = await openFakeInflux({ answer: { status: 204, delayMs: 50 } })
  // One connection takes at most 20 a second, of 100 that fall due.
  const { sent, waitsMs } = await runLoad({
    ...{ port: influx.port, request: renderWrite(plainLines(1)), connections: 1 },
    ...{ perSecond: 100, seconds: 0.5 },
  })
  assert.ok(sent < 20, `${sent} sent`)
  // The n-th was due 10 ms after the one before and is answered 50 ms after it, at the earliest.
  for (const [n, waitMs] of waitsMs.entries()) assert.ok(waitMs >= 49 + n * 39, `${n}: ${waitMs}`)
})

test('the CPU and memory of a process are those of its children as well', async () => {
  const lines = new Arrivals<string>((line) => line)
  await using shell = await startChild({
    command: 'sh',
    args: ['-c', '"$0" -e "$1" & wait', process.execPath, BURN],
    onLine: (line) => lines.push(line),
  })
  const child = Number(await lines.next(() => true, 'the child has burned'))
  const [cpuS, peakMb] = [cpuSeconds(shell.pid), peakMegabytes(shell.pid)]
  process.kill(child)
  await shell.exited
  assert.ok(cpuS >= (BURNED_MS - 10) / 1000, `${cpuS} s`)
  assert.ok(peakMb > 20, `${peakMb} MB is less than a Node takes`)
  assert.equal(cpuSeconds(shell.pid), 0, 'what is gone counts as nothing')
})
