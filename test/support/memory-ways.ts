/**
 * Ways to make a relay with two outputs exceed its memory: each is a flood, and the behaviour of
 * the outputs meanwhile.
 *
 * Every way sends several times `BUDGET_MB`, or as much as the relay reads.
 */
import { createSocket } from 'node:dgram'
import { gzipSync } from 'node:zlib'
import type { FakeAnswer } from './fake-influx.ts'
import { type Flood, flood } from './flood.ts'

/** `max-memory-mb` of the relay that is flooded. */
export const BUDGET_MB = 64

const KB = 1024
const MB = 1024 * KB

export interface FloodedRelay {
  readonly url: string
  readonly adminUrl: string
  readonly udpPort: number
}

export interface MemoryWay {
  /**
   * The answer of both outputs to a write; `down`: nobody listens; `one-down`: nobody listens at
   * the second output. Default: hang.
   */
  readonly outputs?: FakeAnswer | 'down' | 'one-down'
  /** Runs on a developer's machine as well; CI runs all ways. */
  readonly isOnDesks?: boolean
  /** `max-memory-mb`; default: `BUDGET_MB`. */
  readonly budgetMb?: number
  /** Further keys of both outputs. */
  readonly output?: string
  /** Further keys of the relay. */
  readonly http?: string
  readonly env?: Readonly<Record<string, string>>
  readonly hasLog?: boolean
  readonly isTls?: boolean
  /** The flood is on [admin], so that metrics cannot be read meanwhile. */
  readonly isOfAdmin?: boolean
  readonly run: (relay: FloodedRelay) => Promise<Flood>
}

const BODY_MB = bodyOf(MB)

/** Valid line protocol of about this many bytes. */
function bodyOf(bytes: number, line = `m,t=${'x'.repeat(80)} v=1 1\n`): Buffer {
  return Buffer.from(line.repeat(Math.ceil(bytes / line.length)))
}

interface Parts {
  readonly query?: string
  readonly headers?: string
  /** The announced length; default: that of the body. */
  readonly bytes?: number
  readonly path?: string
}

function post(body: Buffer | string, parts: Parts = {}): Buffer {
  const { query = 'db=db', headers = '', path = '/write' } = parts
  const bytes = Buffer.from(body)
  const head =
    `POST ${path}?${query} HTTP/1.1\r\nHost: x\r\n` +
    `Content-Length: ${parts.bytes ?? bytes.length}\r\n${headers}\r\n`
  return Buffer.concat([Buffer.from(head), bytes])
}

function* repeat<T>(count: number, of: (index: number) => T): Generator<T> {
  for (let index = 0; index < count; index++) yield of(index)
}

const GZIP = 'Content-Encoding: gzip\r\n'
const CHUNKED_HEAD = 'POST /write?db=db HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'

/** The same small writes, pipelined on many connections. */
function writes(url: string, request: (number: number) => Buffer, count: number): Promise<Flood> {
  const connections = 50
  const each = count / connections
  const payload = 100
  return flood(url, {
    connections,
    bytes: (index) =>
      repeat(each / payload, (piece) => {
        const from = index * each + piece * payload
        return Buffer.concat([...repeat(payload, (number) => request(from + number))])
      }),
  })
}

/** Resolves when the kernel has taken all of them. */
async function datagrams(
  port: number,
  text: (number: number) => string,
  count: number,
): Promise<Flood> {
  const socket = createSocket('udp4')
  for (let number = 0; number < count; number++) {
    const send = (done: () => void) => socket.send(text(number), port, '127.0.0.1', done)
    // From time to time, give the relay a turn to read.
    if (number % 100 === 0) await new Promise<void>((resolve) => send(resolve))
    else send(() => {})
  }
  await new Promise<void>((resolve) => socket.send('\n', port, '127.0.0.1', () => resolve()))
  return { openCount: 0, [Symbol.dispose]: () => socket.close() }
}

const SMALL_HEAP = { budgetMb: 256, env: { NODE_OPTIONS: '--max-old-space-size=256' } }

const longCredentials = (number: number) =>
  `Authorization: Token ${String(number)
    .padStart(8, '0')
    .repeat(7 * KB)}\r\n`

export const MEMORY_WAYS: Readonly<Record<string, MemoryWay>> = {
  'connections that say nothing': {
    run: ({ url }) => flood(url, { connections: 5000, bytes: () => [] }),
  },
  'connections with half a head each': {
    isOnDesks: true,
    run: ({ url }) =>
      flood(url, {
        connections: 4000,
        bytes: () => [`POST /write HTTP/1.1\r\nX: ${'x'.repeat(60 * KB)}`],
      }),
  },
  'heads of one byte a packet': {
    run: ({ url }) =>
      flood(url, {
        connections: 2000,
        bytes: () => repeat(30, (number) => (number === 0 ? 'P' : 'OST')),
      }),
  },
  'TLS connections that say nothing': {
    isTls: true,
    run: ({ url }) => flood(url, { connections: 800, bytes: () => [], tls: true }),
  },
  'bodies announced and begun': {
    isOnDesks: true,
    run: ({ url }) =>
      flood(url, {
        connections: 1000,
        bytes: () => [post(bodyOf(200 * KB), { bytes: 20 * MB })],
      }),
  },
  'bodies announced and not begun': {
    run: ({ url }) =>
      flood(url, { connections: 4000, bytes: () => [post('', { bytes: 20 * MB })] }),
  },
  'bodies in chunks, begun': {
    run: ({ url }) =>
      flood(url, {
        connections: 1000,
        bytes: () => [CHUNKED_HEAD, ...repeat(40, () => chunk(bodyOf(5 * KB)))],
      }),
  },
  'bodies in chunks of a byte': {
    run: ({ url }) =>
      flood(url, {
        connections: 150,
        bytes: () => [CHUNKED_HEAD, ...repeat(5, () => Buffer.from('1\r\nx\r\n'.repeat(4000)))],
      }),
  },
  'bodies behind Expect': {
    run: ({ url }) =>
      flood(url, {
        connections: 4000,
        bytes: () => [post('', { bytes: MB, headers: 'Expect: 100-continue\r\n' })],
      }),
  },
  'large bodies without times, all at once': {
    isOnDesks: true,
    run: ({ url }) => {
      const body = bodyOf(20 * MB, 'm v=1\n')
      return flood(url, { connections: 12, bytes: () => [post(body)] })
    },
  },
  'large bodies that are not lines, answers unread': {
    run: ({ url }) => {
      const body = bodyOf(8 * MB, 'x\n')
      return flood(url, { connections: 20, reads: false, bytes: () => [post(body)] })
    },
  },
  'gzip that unpacks to a thousand times its size': {
    run: ({ url }) => {
      const body = post(gzipSync(bodyOf(24 * MB)), { headers: GZIP })
      return flood(url, { connections: 24, bytes: () => [body] })
    },
  },
  'gzip of blank lines': {
    run: ({ url }) => {
      const body = post(gzipSync(Buffer.alloc(24 * MB, '\n')), { headers: GZIP })
      return flood(url, { connections: 60, bytes: () => [body] })
    },
  },
  'gzip of lines without times': {
    isOnDesks: true,
    run: ({ url }) => {
      const body = post(gzipSync(bodyOf(20 * MB, 'm v=1\n')), { headers: GZIP })
      return flood(url, { connections: 24, bytes: () => [body] })
    },
  },
  'gzip bodies pipelined behind a large one': {
    run: ({ url }) => {
      const large = post(gzipSync(bodyOf(20 * MB)), { headers: GZIP })
      const small = post(gzipSync(bodyOf(900 * KB)), { headers: GZIP })
      return flood(url, {
        connections: 20,
        bytes: () => [large, ...repeat(200, () => small)],
      })
    },
  },
  'small writes that wait for their answers': {
    run: ({ url }) => writes(url, () => post('m v=1 1\n'), 50_000),
  },
  'small writes that wait, by the other parser': {
    http: 'fast-lane = false',
    run: ({ url }) => writes(url, () => post('m v=1 1\n'), 50_000),
  },
  'refusals that nobody reads': {
    run: ({ url }) =>
      flood(url, {
        connections: 2000,
        reads: false,
        bytes: () => repeat(40, () => post('x'.repeat(200))),
      }),
  },
  'pings that nobody reads': {
    run: ({ url }) =>
      flood(url, {
        connections: 2000,
        reads: false,
        bytes: () => repeat(60, () => 'GET /ping HTTP/1.1\r\nHost: x\r\n\r\n'),
      }),
  },
  'statements, begun': {
    run: ({ url }) =>
      flood(url, {
        connections: 1000,
        bytes: () => [post(Buffer.alloc(400 * KB, 'q'), { path: '/query', bytes: MB })],
      }),
  },
  'statements that are owed': {
    outputs: 'one-down',
    run: ({ url }) =>
      flood(url, {
        connections: 20,
        bytes: (index) =>
          repeat(200, (number) =>
            post('', {
              path: '/query',
              query: `q=CREATE%20DATABASE%20%22${'x'.repeat(20 * KB)}${index}_${number}%22`,
            }),
          ),
      }),
  },
  'remote writes': {
    run: ({ url }) =>
      flood(url, {
        connections: 40,
        bytes: () => repeat(20, () => post(Buffer.alloc(MB, 'p'), { path: '/api/v1/prom/write' })),
      }),
  },
  'requests behind one that is being answered': {
    run: ({ url }) =>
      flood(url, {
        connections: 3000,
        bytes: () => [
          post('m v=1 1\n', { headers: 'X-A: b\r\n', path: '/api/v1/prom/write' }),
          post(bodyOf(60 * KB)),
        ],
      }),
  },
  'bodies that were refused and go on': {
    run: ({ url }) =>
      flood(url, {
        connections: 1000,
        bytes: () => repeat(40, () => post(bodyOf(10 * KB), { bytes: 500 * MB })),
      }),
  },
  'other heads with every write': {
    isOnDesks: true,
    run: ({ url }) =>
      writes(
        url,
        (number) => post('m v=1 1\n', { headers: `X-Id: ${number}${'x'.repeat(1800)}\r\n` }),
        50_000,
      ),
  },
  'long credentials with every write': {
    outputs: 'one-down',
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { headers: longCredentials(number) }), 4000),
  },
  'short credentials in long heads': {
    outputs: 'one-down',
    hasLog: true,
    run: ({ url }) =>
      writes(
        url,
        (number) =>
          post('m v=1 1\n', {
            headers: `Authorization: Token a-token-of-its-own-${number}\r\nReferer: ${'x'.repeat(40 * KB)}\r\n`,
          }),
        5000,
      ),
  },
  'a backlog of small writes': {
    outputs: 'one-down',
    run: ({ url }) => writes(url, (number) => post(`m v=1 ${number}\n`), 150_000),
  },
  'a backlog of large bodies': {
    isOnDesks: true,
    outputs: 'one-down',
    run: ({ url }) => flood(url, { connections: 10, bytes: () => repeat(40, () => post(BODY_MB)) }),
  },
  'a backlog of large bodies before outputs that take gzip': {
    output: 'gzip = true',
    run: ({ url }) => flood(url, { connections: 10, bytes: () => repeat(40, () => post(BODY_MB)) }),
  },
  'a backlog on disk': {
    outputs: 'one-down',
    hasLog: true,
    run: ({ url }) => flood(url, { connections: 10, bytes: () => repeat(30, () => post(BODY_MB)) }),
  },
  'a backlog of small writes on disk': {
    outputs: 'one-down',
    hasLog: true,
    run: ({ url }) => writes(url, (number) => post(`m v=1 ${number}\n`), 100_000),
  },
  'a database each, outputs that hang': {
    isOnDesks: true,
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'a database each, outputs that are down': {
    outputs: 'down',
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'a database each, outputs that reset': {
    outputs: 'reset',
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'a database each, missing at the outputs': {
    outputs: {
      status: 404,
      headers: { 'X-Influxdb-Error': 'database not found: "d"' },
      body: '{"error":"database not found: \\"d\\""}',
    },
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'a database each, on disk': {
    outputs: 'hang',
    hasLog: true,
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'a retention policy each': {
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=db&rp=r${number}` }), 50_000),
  },
  'a long retention policy each': {
    outputs: 'one-down',
    run: ({ url }) =>
      writes(
        url,
        (number) => post('m v=1 1\n', { query: `db=db&rp=${'r'.repeat(4000)}${number}` }),
        50_000,
      ),
  },
  'small writes, with a heap of 256 MB and a budget of as much': {
    outputs: 'one-down',
    ...SMALL_HEAP,
    run: ({ url }) => writes(url, (number) => post(`m v=1 ${number}\n`), 150_000),
  },
  'a database each, with a heap of 256 MB and a budget of as much': {
    ...SMALL_HEAP,
    run: ({ url }) =>
      writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 50_000),
  },
  'dead letters': {
    outputs: { status: 400, body: '{"error":"unable to parse"}' },
    hasLog: true,
    http: 'ack-timeout = "1ms"',
    run: ({ url }) =>
      flood(url, { connections: 20, bytes: () => repeat(100, () => post(bodyOf(100 * KB))) }),
  },
  'answers of 64 KB from the outputs': {
    outputs: { status: 500, body: 'x'.repeat(63 * KB) },
    run: ({ url }) => writes(url, (number) => post('m v=1 1\n', { query: `db=d${number}` }), 1000),
  },
  'datagrams before outputs that hang': {
    run: ({ udpPort }) => datagrams(udpPort, (number) => `m v=1 ${number}\n`.repeat(60), 200_000),
  },
  'datagrams of one line before outputs that are down': {
    outputs: 'down',
    run: ({ udpPort }) => datagrams(udpPort, (number) => `m v=1 ${number}\n`, 300_000),
  },
  '[admin]: connections that say nothing': {
    isOfAdmin: true,
    run: ({ adminUrl }) => flood(adminUrl, { connections: 2000, bytes: () => [] }),
  },
  '[admin]: metrics that nobody reads': {
    isOfAdmin: true,
    isOnDesks: true,
    run: ({ adminUrl }) =>
      flood(adminUrl, {
        connections: 1000,
        reads: false,
        bytes: () => repeat(2000, () => 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'),
      }),
  },
  '[admin]: bodies': {
    isOfAdmin: true,
    run: ({ adminUrl }) =>
      flood(adminUrl, {
        connections: 1000,
        bytes: () => [post(BODY_MB, { path: '/dead-letters/purge', bytes: 500 * MB })],
      }),
  },
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ])
}
