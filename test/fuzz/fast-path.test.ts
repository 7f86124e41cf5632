/**
 * The fast path never takes what the reader behind it, and node's parser, read differently.
 *
 * Method: requests that are plain, nearly plain, or plain with a byte changed, one behind the other
 * and cut anywhere, go to a listener with the fast path and to one without. What is stored and what
 * is answered must be the same.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { openBothPaths } from '../support/both-paths.ts'
import { propertyRuns } from '../support/property-runs.ts'

const BODY = 'm v=1 1'
const mostly = <T>(usual: T, ...others: T[]) => often(usual, fc.constantFrom(...others))
const often = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 10, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other })

const requestLine = fc
  .tuple(
    mostly('POST', 'GET', 'post', 'PUT', 'POST ', 'OPTIONS'),
    mostly(' ', '  ', '\t'),
    mostly('/write?db=a', '/write', '/write?db=b&precision=s', '/write?db=%61', '/write?', '/ping'),
    mostly('', '&rp=x', '#x', '&q="', '&u=x&p=y', '&db=c', '&consistency=all', '&x=\xe9'),
    mostly(' HTTP/1.1', ' HTTP/1.0', ' HTTP/2.0', ' http/1.1', '', ' HTTP/1.1 '),
  )
  .map((parts) => parts.join(''))

const header = fc.constantFrom(
  'Host: x',
  'Host: y',
  'Host:',
  `Content-Length: ${BODY.length}`,
  'Content-Length: 0',
  'Content-Length: +7',
  'Content-Length: 07',
  'Content-Length: 7, 7',
  'Content-Length : 7',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding : chunked',
  'Content-Encoding: gzip',
  'Content-Encoding: identity',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Authorization: Basic YTpi',
  'Authorization: Token t',
  'Accept: text/csv',
  'Accept: application/x-msgpack',
  'Accept: */*',
  'User-Agent: a  b\tc',
  'user-agent:none',
  'X-Request-Id: me',
  'Origin: http://o',
  'X-Forwarded-For: 1.2.3.4',
  'Unheard: of',
  ' folded: line',
  'NoColon',
  ': empty',
  'A\x00: b',
  'B: \x01',
  'C: \xe9',
)
/** Plain ones first, so that many are. */
const headers = fc
  .tuple(
    often<string[]>([], fc.array(header, { maxLength: 3 })),
    mostly(true, false),
    mostly(true, false),
  )
  .map(([others, hasHost, hasLength]) => [
    ...(hasHost ? ['Host: x'] : []),
    ...others,
    ...(hasLength ? [`Content-Length: ${BODY.length}`] : []),
  ])
const lineEnd = mostly('\r\n', '\n', '\r', '\r\n ')
const body = mostly(BODY, 'bad', '', `${BODY}\nm v=2 2`, '7\r\nm v=1 1\r\n0\r\n\r\n')

const request = fc
  .tuple(requestLine, headers, lineEnd, body)
  .map(([line, lines, end, text]) => `${[line, ...lines].join(end)}${end}\r\n${text}`)

/** Changed in one byte, in every third case. */
const bytes = fc
  .tuple(
    fc.array(request, { minLength: 1, maxLength: 3 }),
    fc.nat(2),
    fc.nat(),
    fc.constantFrom('', '\0', '\n', '\r', ' ', '\t', ':', ',', 'x', '\x80', '\x7f'),
    fc.boolean(),
  )
  .map(([requests, luck, at, change, isInsert]) => {
    const text = requests.join('')
    if (luck > 0) return Buffer.from(text, 'latin1')
    const from = at % text.length
    return Buffer.from(
      text.slice(0, from) + change + text.slice(from + (isInsert ? 0 : 1)),
      'latin1',
    )
  })

/** Cut anywhere. */
const inPieces = (whole: fc.Arbitrary<Buffer>) =>
  fc
    .tuple(whole, often<number[]>([], fc.array(fc.nat(), { maxLength: 2 })))
    .map(([bytes, cuts]) => {
      const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
      at.sort((a, b) => a - b)
      return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
    })

/** Of some KB, more than is read at once, and more than stays where it was read. */
const largeBody = fc
  .constantFrom(10_000, 70_000, 300_000)
  .map((bytes) => `${BODY}\n`.repeat(bytes / (BODY.length + 1)))

/** Headers that may stand in any request, none of them twice. */
const harmless = fc.subarray([
  'User-Agent: a  b\tc',
  'Accept: text/csv',
  'Content-Encoding: identity',
  'X-Request-Id: me',
  'Origin: http://o',
  'X-Forwarded-For: 1.2.3.4',
  'Unheard: of',
  'Authorization: Token t',
  'Connection: keep-alive',
])
const wellFormed = fc
  .tuple(
    mostly('POST /write?db=a', 'POST /write', 'GET /ping', 'POST /write?db=b&rp=c&precision=s'),
    often<string[]>([], harmless),
    mostly(false, true),
    often(
      BODY,
      fc.oneof(fc.constantFrom('', 'bad', `${BODY}\nm v=2 2`, `${BODY}\nbad`), largeBody),
    ),
  )
  .map(([line, lines, isChunked, text]) => {
    const head = [`${line} HTTP/1.1`, 'Host: x', ...lines].join('\r\n')
    if (!isChunked) return `${head}\r\nContent-Length: ${text.length}\r\n\r\n${text}`
    const chunk = text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`
    return `${head}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`
  })
const allWellFormed = fc
  .array(wellFormed, { minLength: 1, maxLength: 5 })
  .map((requests) => Buffer.from(requests.join('')))

async function hold(t: TestContext, sent: fc.Arbitrary<Buffer[]>): Promise<void> {
  await using paths = await openBothPaths({ limits: { lingerMs: 5 } })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(sent, async (pieces) => {
      runs++
      await paths.agreeOn(pieces)
    }),
    propertyRuns(300),
  )
  const { counters } = paths.fast.listener.snapshot()
  t.diagnostic(`${runs} runs, ${counters.fastWriteRequests} writes in the fast path`)
  assert(counters.fastWriteRequests > runs / 4, 'too few of them were plain')
}

test('of requests that are not quite as they should be the fast path stores what node does', (t) =>
  hold(t, inPieces(bytes)))

test('requests are answered the same with the fast path and without, all of them', (t) =>
  hold(t, inPieces(allWellFormed)))
