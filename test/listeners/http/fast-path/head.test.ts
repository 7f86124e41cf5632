import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFastHead } from '../../../../src/listeners/http/fast-path/head.ts'

const REQUEST = 'POST /write?db=a HTTP/1.1'

function read(...lines: string[]): ReturnType<typeof readFastHead> {
  return readFastHead(lines.join('\r\n'))
}

test('a plain head is read', () => {
  const head = read(
    'POST /write?db=a&precision=s HTTP/1.1',
    'Host: relay.example:9096',
    'user-agent: Telegraf/1.30.0 Go/1.22',
    'CONTENT-LENGTH:  12\t',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Encoding: gzip',
    'Authorization: Token abc',
    'Accept: application/json',
    'Accept-Encoding: gzip',
    'Connection: Close',
  )
  assert.deepEqual(head, {
    requestTarget: '/write?db=a&precision=s',
    authorization: 'Token abc',
    bodyBytes: 12,
    isGzip: true,
    isLast: true,
    accept: 'application/json',
  })
  assert.deepEqual(read('POST /write HTTP/1.1', 'Host: x', 'Content-Length: 0'), {
    requestTarget: '/write',
    authorization: '',
    bodyBytes: 0,
    isGzip: false,
    isLast: false,
    accept: '',
  })
})

test('any other request line is for node', () => {
  const check = (line: string) =>
    assert.equal(read(line, 'Host: x', 'Content-Length: 1'), undefined, line)
  check('GET /write?db=a HTTP/1.1')
  check('post /write?db=a HTTP/1.1')
  check(' POST /write?db=a HTTP/1.1')
  check('POST  /write?db=a HTTP/1.1')
  check('POST /write?db=a  HTTP/1.1')
  check('POST /write?db=a HTTP/1.1 ')
  check('POST\t/write?db=a HTTP/1.1')
  check('POST /write?db=a HTTP/1.0')
  check('POST /write?db=a HTTP/2.0')
  check('POST /write?db=a http/1.1')
  check('POST /write?db=a')
  check('POST /write/?db=a HTTP/1.1')
  check('POST /writes?db=a HTTP/1.1')
  check('POST //write?db=a HTTP/1.1')
  check('POST /%77rite?db=a HTTP/1.1')
  check('POST http://x/write?db=a HTTP/1.1')
  check('POST /write#?db=a HTTP/1.1')
  check('POST /write?db=a#b HTTP/1.1')
  check('POST /write?db=k\xf6ln HTTP/1.1')
  check('POST /write?db=a\x00 HTTP/1.1')
  check('POST /write?db="a" HTTP/1.1')
  check('POST /write?db=a\\b HTTP/1.1')
  check('POST /write?db=a\nX: y HTTP/1.1')
  check('POST /write?db=a\r HTTP/1.1')
  check('')
})

test('any header that frames the body otherwise, is unknown, odd or said twice is for node', () => {
  const check = (...headers: string[]) =>
    assert.equal(read(REQUEST, ...headers), undefined, JSON.stringify(headers))
  const plain = ['Host: x', 'Content-Length: 1']
  assert.notEqual(read(REQUEST, ...plain), undefined)
  check('Host: x')
  check('Content-Length: 1')
  check('Host:', 'Content-Length: 1')
  check('Host: x y', 'Content-Length: 1')
  check('Host: x', 'Host: x', 'Content-Length: 1')
  check('Host: x', 'Content-Length: 1', 'Content-Length: 1')
  check('Host: x', 'Content-Length: 1', 'content-length: 1')
  for (const length of ['', '+1', '-1', '01', '1 1', '1,1', '0x1', '1.0', '1e1', '12345678901']) {
    check('Host: x', `Content-Length: ${length}`)
  }
  check(...plain, 'Transfer-Encoding: chunked')
  check(...plain, 'Transfer-Encoding: identity')
  check(...plain, 'TE: trailers')
  check(...plain, 'Trailer: X')
  check(...plain, 'Expect: 100-continue')
  check(...plain, 'Upgrade: h2c')
  check(...plain, 'Connection: upgrade')
  check(...plain, 'Connection: keep-alive, close')
  check(...plain, 'Proxy-Connection: close')
  check(...plain, 'Keep-Alive: timeout=5')
  check(...plain, 'Content-Encoding: GZIP')
  check(...plain, 'Content-Encoding: gzip, gzip')
  check(...plain, 'Content-Encoding: deflate')
  check(...plain, 'Origin: http://x')
  check(...plain, 'X-Request-Id: 1')
  check(...plain, 'Request-Id: 1')
  check(...plain, 'X-Unheard-Of: 1')
  check(...plain, 'Accept: a', 'Accept: b')
  check(...plain, 'User-Agent : x')
  check(...plain, ' User-Agent: x')
  check(...plain, '\tfolded')
  check(...plain, 'User-Agent')
  check(...plain, 'User-Agent: a\x00b')
  check(...plain, 'User-Agent: a\x7fb')
  check(...plain, 'User-Agent: a\xe9b')
  check(...plain, 'User-Agent: a\nb: c')
  check(...plain, 'User-Agent: a\rb')
  check(...plain, '')
  check('', ...plain)
  check(...plain, '__proto__: x')
})
