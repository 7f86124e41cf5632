/**
 * Through how much code does one request run? Prints, for each kind of request, how many files and
 * rooms of `src/` it runs through, from the socket until both outputs are done with it, and how
 * many functions and calls that takes.
 *
 * Run: `node bench/walk.ts [--files FLOW]`, which also lists the files of the flows whose name
 * contains FLOW.
 *
 * The service runs in this process before two outputs of test/support, with a warm connection. V8
 * counts the calls exactly (precise coverage). Timers and probes that come due meanwhile count as
 * well, so a flow may have a call more at times.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Session } from 'node:inspector/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseConfig } from '../src/config/parse-config.ts'
import { openHeap } from '../src/process/v8-heap.ts'
import { openService } from '../src/service.ts'
import { systemClock } from '../src/std/clock.ts'
import { type FakeAnswer, type FakeInflux, openFakeInflux } from '../test/support/fake-influx.ts'
import { freePort } from '../test/support/free-port.ts'
import { SILENT } from '../test/support/scripted-relay.ts'
import { temporaryFolder } from '../test/support/temporary-folder.ts'
import { printMachine, printTable } from './support/report.ts'

interface Flow {
  readonly name: string
  readonly bytes: Buffer | undefined
  /** The datagram, for a UDP relay. */
  readonly datagram?: string
  readonly hasLog?: boolean
  readonly answerOfB?: FakeAnswer
}

interface Walk {
  readonly files: ReadonlySet<string>
  readonly functions: number
  readonly calls: number
}

const WARM_UP_COUNT = 50
/** Longer than all that follows from a request takes on an idle machine. */
const SETTLED_MS = 60
const SOURCE = join(import.meta.dirname, '../src/')
const LINE = 'cpu,host=a usage=1 1700000000000000000\n'

const FLOWS: readonly Flow[] = [
  { name: 'POST /write, 1 line', bytes: post(LINE) },
  { name: '… without a timestamp', bytes: post('cpu,host=a usage=1\n') },
  { name: '… gzip', bytes: post(gzipSync(LINE), 'Content-Encoding: gzip\r\n') },
  { name: '… chunked', bytes: chunked(LINE) },
  { name: '… one bad line of two', bytes: post(`${LINE}cpu usage\n`) },
  { name: '… with log-dir', bytes: post(LINE), hasLog: true },
  {
    name: '… refused by one output, dead letter',
    bytes: post(LINE),
    hasLog: true,
    answerOfB: { status: 400, body: '{"error":"partial write: no dropped=1"}', delayMs: 20 },
  },
  { name: 'a datagram, to HTTP and UDP', bytes: undefined, datagram: LINE },
]

function post(body: string | Buffer, headers = ''): Buffer {
  const bytes = Buffer.from(body)
  const head = `POST /write?db=db HTTP/1.1\r\nHost: a\r\n${headers}Content-Length: ${bytes.length}`
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes])
}

function chunked(body: string): Buffer {
  const head = 'POST /write?db=db HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
  return Buffer.from(`${head}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)
}

async function configOf(flow: Flow, [a, b]: readonly FakeInflux[], folder: string) {
  const udpPort = await freePort()
  const log = flow.hasLog ? `log-dir = "${join(folder, 'log')}"` : ''
  const http = `[[http]]
bind-addr = "127.0.0.1:0"
${log}
output = [{ name = "a", location = "${a?.url}/write" }, { name = "b", location = "${b?.url}/write" }]`
  const udp = `[[udp]]
bind-addr = "127.0.0.1:0"
output = [{ name = "a", location = "${a?.url}/write" }, { name = "b", location = "127.0.0.1:${udpPort}" }]`
  const text = `${flow.datagram === undefined ? http : udp}\n[admin]\nbind-addr = ""\n`
  const parsed = parseConfig({ text, path: 'walk.toml' }, { variables: {}, readFile: () => '' })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.config
}

async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

async function walk(flow: Flow): Promise<Walk> {
  await using stack = new AsyncDisposableStack()
  const folder = await temporaryFolder({ after: (dispose) => stack.defer(dispose) })
  const [a, b] = [stack.use(await openFakeInflux()), stack.use(await openFakeInflux())]
  const service = await openService({
    ...{ config: await configOf(flow, [a, b], folder), version: '1', clock: systemClock },
    ...{ random: Math.random, logger: SILENT, heap: openHeap() },
  })
  stack.defer(async () => void (await service.stop()))
  const { port } = service.addresses[0]?.endpoint ?? { port: 0 }
  const client =
    flow.bytes && stack.adopt(connect(port, '127.0.0.1'), (each) => void each.destroy())
  const udp = stack.adopt(createSocket('udp4'), (socket) => void socket.close())
  const send = async () => {
    if (client !== undefined && flow.bytes !== undefined) await exchange(client, flow.bytes)
    else udp.send(flow.datagram ?? '', port, '127.0.0.1')
    await pass(1)
  }
  if (flow.answerOfB !== undefined) b.answer = flow.answerOfB
  for (let i = 0; i < WARM_UP_COUNT; i++) await send()
  await pass(SETTLED_MS)
  return await counted(async () => {
    await send()
    await pass(SETTLED_MS)
  })
}

async function exchange(client: Socket, bytes: Buffer): Promise<void> {
  client.write(bytes)
  await once(client, 'data')
}

async function counted(work: () => Promise<void>): Promise<Walk> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await work()
  const { result } = await session.post('Profiler.takePreciseCoverage')
  session.disconnect()
  const files = new Set<string>()
  let functions = 0
  let calls = 0
  for (const { url, functions: all } of result) {
    const path = url.replace('file://', '')
    if (!path.startsWith(SOURCE)) continue
    for (const { ranges } of all) {
      const count = ranges[0]?.count ?? 0
      if (count === 0) continue
      files.add(path.slice(SOURCE.length))
      functions++
      calls += count
    }
  }
  return { files, functions, calls }
}

printMachine()
const shown = process.argv[2] === '--files' ? process.argv[3] : undefined
const rows: string[][] = []
for (const flow of FLOWS) {
  const { files, functions, calls } = await walk(flow)
  const rooms = new Set([...files].map((path) => path.split('/')[0]))
  rows.push([flow.name, ...[files.size, rooms.size, functions, calls].map(String)])
  if (shown !== undefined && flow.name.includes(shown)) {
    process.stderr.write(`${flow.name}\n  ${[...files].sort().join('\n  ')}\n`)
  }
}
printTable(['request', 'files', 'rooms', 'functions', 'calls'], rows)
