/**
 * Bodies: how they come (whole, in chunks, packed, after `100 Continue`, cut off) and their bounds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { crc32, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { gzipHeaderError, unpackGzip } from '../../../src/listeners/http/request/unpack.ts'
import { systemClock } from '../../../src/std/clock.ts'
import { MemoryBudget } from '../../../src/std/memory-budget.ts'
import { openTestListener, TEST_CONFIG, type TestListener } from '../../support/http-fixture.ts'
import { openRawConnection } from '../../support/raw-http.ts'

const GZIP = { 'Content-Encoding': 'gzip' }
const LINE = Buffer.from('m v=1 1\n')
/** What a large gzip body is unpacked in, the last of it apart. */
const PIECE_BYTES = 262_144
/** Taken when unpacking begins: see listeners/http/request/unpack.ts. */
const GUNZIP_BYTES = PIECE_BYTES + 64 * 1024
/** Unpacked; all of it is taken when the first piece has come. */
const UNPACKED_BYTES = 2_000_000

function post(headers: string, body = ''): string {
  return `POST /write?db=a HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`
}

function gzipPost(packed: Buffer): Buffer {
  const head = post(`Content-Encoding: gzip\r\nContent-Length: ${packed.length}`)
  return Buffer.concat([Buffer.from(head), packed])
}

function errorOf(body: string | undefined): unknown {
  return JSON.parse(body ?? '').error
}

/** Until the listener has seen the end of everything that was begun. */
function settled(http: TestListener): boolean {
  return http.writeBytes === 0 && http.listener.snapshot().requestsInFlight === 0
}

test('a body in many pieces, chunked or not, arrives as one', async () => {
  await using http = await openTestListener()
  const lines = Array.from({ length: 200 }, (_, index) => `m,tag=${index} v=${index} ${index}\n`)
  await using connection = await openRawConnection(http.url)
  await connection.send(post(`Content-Length: ${lines.join('').length}`))
  for (const line of lines) await connection.send(line)
  assert.equal((await connection.response()).status, 204)
  await connection.send(post('Transfer-Encoding: chunked'))
  for (const line of lines) await connection.send(`${line.length.toString(16)}\r\n${line}\r\n`)
  await connection.send('0\r\n\r\n')
  assert.equal((await connection.response()).status, 204)
  assert.deepEqual(http.bodies(), [lines.join(''), lines.join('')])
  assert(settled(http))
})

test('a body is asked for with 100 Continue, and not when it is refused already', async () => {
  await using http = await openTestListener({ config: { maxBodyBytes: 100 } })
  await using connection = await openRawConnection(http.url)
  await connection.send(post('Expect: 100-continue\r\nContent-Length: 8'))
  assert.equal((await connection.response()).status, 100)
  await connection.send(LINE)
  assert.equal((await connection.response()).status, 204)
  await connection.send(post('Expect: 100-continue\r\nContent-Length: 101'))
  assert.equal((await connection.response()).status, 413)
  await using other = await openRawConnection(http.url)
  await other.send(post('Expect: something\r\nContent-Length: 8', 'm v=1 1\n'))
  const refused = await other.response()
  assert.equal(refused.status, 417)
  assert.equal(refused.headers['x-influxdb-version'], undefined)
  assert.equal(http.writes.items.length, 1)
})

test('on every path a body is asked for with 100 Continue only when it is going to be read', async () => {
  const limits = { queryBodyMaxBytes: 100 }
  await using http = await openTestListener({ config: { maxBodyBytes: 100 }, limits })
  const begin = async (path: string, length: number) => {
    const connection = await openRawConnection(http.url)
    const headers = `Expect: 100-continue\r\nContent-Length: ${length}`
    await connection.send(`POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`)
    return connection
  }
  for (const [path, status] of [
    ['/query?q=CREATE+DATABASE+a', 200],
    ['/api/v1/prom/write?db=a', 204],
    ['/write?db=a', 204],
  ] as const) {
    await using small = await begin(path, LINE.length)
    assert.equal((await small.response()).status, 100, path)
    await small.send(LINE)
    assert.equal((await small.response()).status, status, path)
    await using large = await begin(path, 101)
    const refused = await large.response()
    assert.deepEqual([refused.status, refused.headers['connection']], [413, 'close'], path)
  }
  for (const [path, status] of [
    ['/write', 400],
    ['/api/v1/prom/write', 400],
    ['/ping', 405],
    ['/nowhere', 404],
  ] as const) {
    await using connection = await begin(path, LINE.length)
    const answer = await connection.response()
    assert.deepEqual([answer.status, answer.headers['connection']], [status, 'close'], path)
  }
  assert(settled(http))
})

test('a body at the limit is taken; one byte more is a 413 that the client gets to read', async () => {
  const maxBodyBytes = 300_000
  await using http = await openTestListener({ config: { maxBodyBytes } })
  const atLimit = `m v=1 1\n#${'x'.repeat(maxBodyBytes - 9)}`
  assert.equal((await http.write('db=a', atLimit)).status, 204)

  await using known = await openRawConnection(http.url)
  await known.send(post(`Content-Length: ${maxBodyBytes + 1}`, 'x'))
  const early = await known.response() // Before the body has come.
  assert.equal(early.status, 413)
  assert.equal(errorOf(early.body), 'Request Entity Too Large')
  assert.equal(early.headers['connection'], 'close')

  await using chunked = await openRawConnection(http.url)
  await chunked.send(post('Transfer-Encoding: chunked'))
  const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`
  for (let index = 0; index < 10; index++) await chunked.send(chunk)
  assert.equal((await chunked.response()).status, 413)
  await chunked.closed
  assert.equal(http.listener.snapshot().counters.tooLargeRequests, 2)
  assert.equal(http.writes.items.length, 1)
  assert(settled(http))
})

test('a refused body that goes on coming is cut off after a while', async () => {
  await using http = await openTestListener({
    ...{ config: { maxBodyBytes: 100 }, limits: { lingerMs: 50 } },
  })
  await using connection = await openRawConnection(http.url)
  await connection.send(post('Content-Length: 1000000', 'x'))
  assert.equal((await connection.response()).status, 413)
  await connection.closed
})

test('a body that was cut off is never used, and gives its memory back', async () => {
  await using http = await openTestListener()
  const cuts = [
    post('Content-Length: 100', 'm v=1 1\n'),
    post('Transfer-Encoding: chunked', '8\r\nm v=1 1\n\r\n'),
  ]
  for (const bytes of cuts) {
    for (const end of ['reset', 'endSending'] as const) {
      await using connection = await openRawConnection(http.url)
      await connection.send(bytes)
      // Not before the body has been begun: a ping on another connection is answered after it.
      await http.write('db=b', '')
      connection[end]()
      await connection.closed
    }
  }
  assert.equal((await http.write('db=a', 'm v=2 2')).status, 204)
  assert.deepEqual(http.bodies(), ['m v=2 2\n'])
  assert(settled(http))
})

test('when the memory for bodies is used up a client is asked to come back', async () => {
  await using http = await openTestListener({ memoryBytes: 500_000 })
  await using first = await openRawConnection(http.url)
  await first.send(post('Content-Length: 90000', 'x'.repeat(80_000)))
  await using second = await openRawConnection(http.url)
  await second.send(post('Content-Length: 2000000'))
  for (let index = 0; index < 300; index++) await second.send('x'.repeat(1000))
  const refused = await second.response()
  assert.equal(refused.status, 503)
  assert.equal(refused.headers['retry-after'], '1')
  assert.match(String(errorOf(refused.body)), /memory/)
  await first.send('\n'.repeat(10_000))
  assert.equal((await first.response()).status, 400)
  assert(settled(http))
})

test('a gzip body is unpacked, in one member or several, whatever its size', async () => {
  await using http = await openTestListener()
  const small = gzipSync(LINE)
  assert.equal((await http.write('db=a', small, GZIP)).status, 204)
  assert.equal((await http.write('db=a', Buffer.concat([small, small]), GZIP)).status, 204)
  const large = Buffer.alloc(3_000_000, LINE)
  assert.equal((await http.write('db=a', gzipSync(large), GZIP)).status, 204)
  assert.equal((await http.write('db=a', gzipSync(''), GZIP)).status, 204)
  const sizes = http.writes.items.map(({ body }) => body.length)
  assert.deepEqual(sizes, [8, 16, 3_000_000])
  assert(settled(http))
})

test('only Content-Encoding: gzip is unpacked', async () => {
  await using http = await openTestListener()
  for (const encoding of ['', 'identity', 'br', 'GZIP', 'gzip, gzip']) {
    const headers = { 'Content-Encoding': encoding }
    assert.equal((await http.write('db=a', LINE, headers)).status, 204, encoding)
  }
  const packed = await http.write('db=a', 'packed?', { 'Content-Encoding': 'deflate' })
  assert.match(String(errorOf(packed.body)), /^unable to parse/)
})

test('a broken gzip body is a 400 in Go’s words', async () => {
  await using http = await openTestListener()
  const packed = gzipSync(LINE)
  const changed = (at: number, byte: number) => {
    const copy = Buffer.from(packed)
    copy[at] = byte
    return copy
  }
  const check = async (body: Uint8Array, error: string | RegExp) => {
    const answer = await http.write('db=a', body, GZIP)
    assert.equal(answer.status, 400)
    assert.match(
      String(errorOf(answer.body)),
      typeof error === 'string' ? RegExp(`^${error}$`) : error,
    )
  }
  await check(Buffer.alloc(0), 'EOF')
  await check(LINE, 'unexpected EOF') // Shorter than a header.
  await check(Buffer.from('m v=1 1\nm v=2 2\n'), 'gzip: invalid header')
  for (const end of [1, 5, 9, 10, 15, packed.length - 1]) {
    await check(packed.subarray(0, end), 'unexpected EOF')
  }
  await check(changed(packed.length - 8, 0x55), 'gzip: invalid checksum')
  await check(changed(packed.length - 4, 0x55), 'gzip: invalid checksum')
  await check(changed(2, 7), 'gzip: invalid header')
  await check(Buffer.concat([packed, Buffer.alloc(20)]), 'gzip: invalid header')
  await check(Buffer.concat([packed, Buffer.alloc(3)]), 'unexpected EOF')
  await check(Buffer.concat([packed, Buffer.from('x'.repeat(20))]), 'gzip: invalid header')
  await check(Buffer.concat([packed, packed.subarray(0, 12)]), 'unexpected EOF')
  await check(changed(10, 0xff), /^flate: corrupt input before offset \d+$/)
  assert.equal(http.writes.items.length, 0)
})

test('a gzip bomb stops at the limit, small or large, and leaves no memory behind', async () => {
  await using http = await openTestListener({ config: { maxBodyBytes: 2_000_000 } })
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  assert.equal((await http.write('db=a', bomb, GZIP)).status, 413)
  const liar = Buffer.from(bomb)
  liar.writeUInt32LE(10, liar.length - 4) // Says that it is ten bytes.
  assert.equal((await http.write('db=a', liar, GZIP)).status, 413)
  assert(settled(http))
})

test('unpacked bytes count against the memory for bodies', async () => {
  await using http = await openTestListener({ memoryBytes: 3_000_000 })
  const answer = await http.write('db=a', gzipSync(Buffer.alloc(10_000_000, LINE)), GZIP)
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['retry-after'], '1')
  assert(settled(http))
})

// One segment, so that all of it has been read before the first piece of the first body is here:
// that piece is when the budget has to know of everything that waits.
test('bodies that wait behind a large one of their connection count against the memory', async (t) => {
  await using http = await openTestListener()
  const { memory } = http
  const tryTake = memory.tryTake.bind(memory)
  const heldBytes: number[] = []
  t.mock.method(memory, 'tryTake', (bytes: number) => {
    if (bytes === UNPACKED_BYTES) heldBytes.push(http.writeBytes - GUNZIP_BYTES)
    return tryTake(bytes)
  })
  const large = gzipSync(Buffer.alloc(UNPACKED_BYTES, LINE))
  const plain = Buffer.alloc(4_000, LINE)
  const small = gzipSync(LINE)
  await using connection = await openRawConnection(http.url)
  const segment = [gzipPost(large), post(`Content-Length: ${plain.length}`), plain, gzipPost(small)]
  await connection.send(Buffer.concat(segment.map((part) => Buffer.from(part))))
  for (let index = 0; index < 3; index++) assert.equal((await connection.response()).status, 204)
  assert.equal(heldBytes[0], large.length + plain.length + small.length)
  const sizes = http.writes.items.map(({ body }) => body.length)
  assert.deepEqual(sizes, [2_000_000, 4_000, 8])
  assert(settled(http))
})

// Unpacked, the second would be there long before the first, and would lie about uncounted.
test('a large gzip body is not unpacked before its turn has come', async (t) => {
  await using http = await openTestListener()
  const { memory } = http
  const tryTake = memory.tryTake.bind(memory)
  let begunCount = 0
  t.mock.method(memory, 'tryTake', (bytes: number) => {
    if (bytes === GUNZIP_BYTES && http.writes.items.length === 0) begunCount++
    return tryTake(bytes)
  })
  const first = Buffer.alloc(40 * PIECE_BYTES, LINE)
  const second = Buffer.alloc(5 * PIECE_BYTES, LINE)
  await using connection = await openRawConnection(http.url)
  await connection.send(Buffer.concat([first, second].map((body) => gzipPost(gzipSync(body)))))
  for (let index = 0; index < 2; index++) assert.equal((await connection.response()).status, 204)
  assert.equal(begunCount, 1)
  const sizes = http.writes.items.map(({ body }) => body.length)
  assert.deepEqual(sizes, [first.length, second.length])
  assert(settled(http))
})

test('a gzip header with every field is read as Go reads it', () => {
  const fields = Buffer.concat([
    Buffer.of(0x1f, 0x8b, 8, 0x02 | 0x04 | 0x08 | 0x10, 0, 0, 0, 0, 0, 3),
    Buffer.from('\u0002\u0000xxname\u0000comment\u0000', 'latin1'),
  ])
  const sum = Buffer.alloc(2)
  sum.writeUInt16LE(crc32(fields) & 0xffff)
  const header = Buffer.concat([fields, sum])
  assert.equal(gzipHeaderError(header), undefined)
  for (let end = 1; end < header.length; end++) {
    assert.equal(gzipHeaderError(header.subarray(0, end)), 'unexpected EOF', `cut at ${end}`)
  }
  sum[0] = (sum[0] ?? 0) ^ 1
  assert.equal(gzipHeaderError(Buffer.concat([fields, sum])), 'gzip: invalid header')
  const long = Buffer.concat([
    Buffer.of(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3),
    Buffer.alloc(600, 'x'),
  ])
  assert.equal(gzipHeaderError(long), 'gzip: invalid header')
})

test('whatever was packed is unpacked, and no bytes at all make unpacking fail otherwise', async () => {
  const options = { maxBytes: 10_000, memory: new MemoryBudget(1_000_000) }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 })), async (members) => {
      const packed = Buffer.concat(members.map((member) => gzipSync(member)))
      const result = await unpackGzip(packed, options)
      if (members.length === 0) return assert.equal(result.kind, 'broken')
      assert(result.kind === 'unpacked')
      assert.deepEqual(result.body, Buffer.concat(members))
      const cut = await unpackGzip(packed.subarray(0, packed.length - 1), options)
      assert.deepEqual(cut, { kind: 'broken', error: 'unexpected EOF' })
    }),
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      const packed = Buffer.concat([gzipSync('x').subarray(0, 10), bytes])
      const { kind } = await unpackGzip(packed, options)
      assert(kind === 'broken' || kind === 'unpacked')
    }),
  )
  assert.equal(options.memory.usedBytes, 0)
})

test('while a large body of odd lines is checked, others have their turn', async () => {
  let nowMs = 0
  // Whenever it is asked a slice is over.
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 21) }
  await using http = await openTestListener({ clock })
  // With an escape in its name no line is ordinary.
  const lines = 'm\\ m,a\\,b=c v=1 1\n'.repeat(1_000_000)
  const written = http.write('db=a', lines)
  while (http.listener.snapshot().counters.receivedBytes === 0) await nextTurn()
  let turns = 0
  while (http.writes.items.length === 0) {
    await nextTurn()
    turns++
  }
  assert(turns > 100, `others had ${turns} turns`)
  assert.equal((await written).status, 204)
  assert.equal(http.bodies()[0], lines)
  assert(settled(http))
})

test('each body that goes no further than the listener is counted as garbage, once', async () => {
  let freed: number[] = []
  await using http = await openTestListener({ onFreed: (bytes) => freed.push(bytes) })
  const packed = gzipSync(LINE)
  const brokenPacked = Buffer.from('no gzip')
  const unstamped = Buffer.from('m v=1\n')
  const bad = Buffer.from('m v=\n')
  const empty = Buffer.from('# nothing\n')
  const cases: [what: string, body: Buffer, headers: Record<string, string>, bytes: number][] = [
    ['sent on as it came', LINE, {}, 0],
    ['unpacked', packed, GZIP, packed.length],
    ['cannot be unpacked', brokenPacked, GZIP, brokenPacked.length],
    ['written anew with a timestamp', unstamped, {}, unstamped.length],
    ['refused', bad, {}, bad.length],
    ['without lines', empty, {}, empty.length],
  ]
  for (const [what, body, headers, bytes] of cases) {
    freed = []
    await http.write('db=a', body, headers)
    // Heads, requests and connections are larger.
    const ofBodies = freed.filter((each) => each > 0 && each < 100)
    // What node's parser reads is counted as it comes, too.
    if (!TEST_CONFIG.fastPath) assert(bytes === 0 || ofBodies.includes(bytes), what)
    else assert.deepEqual(ofBodies, bytes === 0 ? [] : [bytes], what)
  }
})

test('a body that waits keeps no more memory than it has bytes, whichever way it came', async () => {
  await using http = await openTestListener()
  const chunked = { 'Transfer-Encoding': 'chunked' }
  const cases: [what: string, body: Buffer, headers: Record<string, string>][] = [
    ['as it came', LINE, {}],
    ['without a newline', Buffer.from('m v=1 1'), {}],
    ['without a timestamp', Buffer.from('m v=1\n'.repeat(50)), {}],
    ['partly refused', Buffer.from('m v=1 1\nbad\n'), {}],
    ['packed', gzipSync(LINE), GZIP],
    ['in chunks', LINE, chunked],
  ]
  for (const [what, body, headers] of cases) {
    await http.write('db=a', body, headers)
    const lines = http.writes.items.at(-1)?.body ?? assert.fail(what)
    assert(lines.buffer.byteLength <= lines.length * 1.25, `${what}: ${lines.buffer.byteLength}`)
  }
})
