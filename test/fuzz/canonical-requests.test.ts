/**
 * Node's parser never reads what it is given otherwise than the reader in front of it meant it.
 *
 * Method: requests that are plain, odd or broken, one behind the other, changed in some bytes and
 * cut anywhere, go through the reader to a server of node's with its strictest parser. It must get
 * exactly the requests that the reader has announced, and find nothing to complain of but a body
 * that is cut off or that the reader has called broken: where the two did not agree on how long a
 * body is, the next head would be none.
 */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { RequestReader } from '../../src/listeners/http/canonical/request-reader.ts'
import { propertyRuns } from '../support/property-runs.ts'

const HEADERS_MAX_BYTES = 500
const often = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  )

const requestLine = fc
  .tuple(
    often('POST', 'GET', 'post', 'CONNECT', 'PRI', 'HEAD', 'M-SEARCH', 'OPTIONS', '\xe9'),
    often('/write?db=a', '/%', '*', 'http://x', 'x:y', '/\xff"<>\\^`{|}#?#', '//a', '/?\t', ''),
    often('HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/11.1', ''),
  )
  .map((parts) => parts.join(' '))
const header = fc.constantFrom(
  'Content-Length: 7',
  'Content-Length: 0',
  'Content-Length: 07',
  'Content-Length: +7',
  'Content-Length: 99999999999999999999',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding:\tchunked',
  'Expect: 100-continue',
  'Expect:',
  'Connection: close',
  'Connection: Upgrade, HTTP2-Settings',
  'Upgrade: h2c',
  'Host: y',
  'Authorization: a\xff\tb',
  'Accept:',
  'Origin:  o  ',
  'X: a\rb',
  'X : y',
  ': y',
  ' folded: y',
  'Trailer: z',
  `Content-Type: ${'x'.repeat(200)}`,
)
const body = fc.constantFrom(
  '',
  'm v=1 1',
  '7\r\nm v=1 1\r\n0\r\n\r\n',
  '3;e=1\r\nm v\r\n4 \r\n=1 1\r\n0\r\nA: b\r\n\r\n',
  '7\nm v=1 1\n0\n\n',
  'ffffffffffffffff\r\n',
  '7\r\nm v=1 1X\r\n0\r\n\r\n',
)
const request = fc
  .tuple(
    requestLine,
    fc.oneof(fc.constant<string[]>([]), fc.array(header, { maxLength: 3 })),
    often(true, false),
    often('\r\n', '\n', '\r'),
    body,
  )
  .map(([line, headers, hasHost, end, text]) => {
    const lines = [line, ...(hasHost ? ['Host: x'] : []), ...headers, '', '']
    return lines.join(end) + text
  })
const change = fc.tuple(
  fc.nat(),
  fc.constantFrom('', '\0', '\n', '\r', ' ', ':', '\x80', '0\r\n\r\n'),
)
const pieces = fc
  .tuple(
    fc.array(request, { minLength: 1, maxLength: 4 }),
    fc.array(change, { maxLength: 2 }),
    fc.array(fc.nat(), { maxLength: 3 }),
  )
  .map(([requests, changes, cuts]) => {
    let text = requests.join('')
    for (const [luck, inserted] of changes) {
      const at = luck % (text.length * 3) // Often behind the end: not at all.
      if (at < text.length) text = text.slice(0, at) + inserted + text.slice(at + 1)
    }
    const bytes = Buffer.from(text, 'latin1')
    const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    at.sort((a, b) => a - b)
    return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
  })

interface Read {
  /** For node. */
  readonly canonical: Buffer
  /** Of each head, whether it stands for a refusal. */
  readonly heads: readonly boolean[]
  readonly isBroken: boolean
  /** All of the last request is here. */
  readonly isWhole: boolean
}

function readAll(sent: readonly Buffer[]): Read {
  const pushed: Buffer[] = []
  const heads: boolean[] = []
  let isBroken = false
  const sink = {
    push: (bytes: Buffer) => void pushed.push(Buffer.from(bytes)),
    onHead: ({ isRefused }: { readonly isRefused: boolean }) => void heads.push(isRefused),
    onBrokenBody: () => {
      isBroken = true
    },
  }
  const reader = new RequestReader(sink, HEADERS_MAX_BYTES)
  for (const piece of sent) {
    let at = 0
    while (at < piece.length && !reader.isOver) {
      at += reader.read(piece.subarray(at))
      reader.goOn() // Whoever receives a body has it at once.
    }
  }
  reader.end()
  return { canonical: Buffer.concat(pushed), heads, isBroken, isWhole: reader.isBetween }
}

/** What a server of node's makes of it. */
async function parse(server: Server, bytes: Buffer) {
  const requests: IncomingMessage[] = []
  const complaints: unknown[] = []
  const onRequest = (request: IncomingMessage) => {
    requests.push(request)
    buffer(request).catch(() => {}) // Cut off: that is a complaint as well.
  }
  const isRead = Promise.withResolvers<void>()
  const onError = (error: unknown) => {
    complaints.push(error)
    isRead.resolve()
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('clientError', onError)
  const connection = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => done(),
  })
  server.emit('connection', connection)
  connection.once('end', () => isRead.resolve())
  connection.push(bytes)
  connection.push(null)
  await isRead.promise
  await new Promise(setImmediate)
  server.removeAllListeners('request')
  server.removeAllListeners('checkContinue')
  server.removeAllListeners('clientError')
  connection.destroy()
  return { requests, complaints }
}

test('node’s parser reads exactly the requests that the reader in front of it has read', async (t: TestContext) => {
  const server = createServer({ insecureHTTPParser: false, requireHostHeader: true })
  t.after(() => server.close())
  let runs = 0
  let taken = 0
  await fc.assert(
    fc.asyncProperty(pieces, async (sent) => {
      runs++
      const read = readAll(sent)
      taken += read.heads.filter((isRefused) => !isRefused).length
      // However it is cut, it means the same.
      assert.deepEqual(readAll([Buffer.concat(sent)]).heads, read.heads)
      const { requests, complaints } = await parse(server, read.canonical)
      const shown = JSON.stringify(Buffer.concat(sent).toString('latin1'))
      assert.equal(requests.length, read.heads.length, shown)
      assert.equal(complaints.length > 0, read.isBroken || !read.isWhole, shown)
      // Only the last may be refused.
      assert(!read.heads.slice(0, -1).includes(true), shown)
    }),
    propertyRuns(2_000),
  )
  t.diagnostic(`${runs} runs, ${taken} requests taken`)
  assert(taken > runs / 8, 'too few of them were requests')
})
