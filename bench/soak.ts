/**
 * Does anything grow while outputs come and go? Prints at intervals resident memory, open files,
 * the delay of the event loop, and pending writes; at the end a summary of memory.
 *
 * Run: `node bench/soak.ts [MINUTES]` after `npm run build`. Mixed load in an open loop: single
 * lines, batches, 5,000-line bodies, gzip batches, bad lines; with a log on disk. There are two
 * outputs, each a separate process; the connection to one of them sometimes stalls, breaks, or is
 * slow.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openFaultProxy, type ProxyFault } from '../test/support/fault-proxy.ts'
import { httpRequest } from '../test/support/http-request.ts'
import { readMetrics, sumOf, untilNothingPends } from '../test/support/metrics.ts'
import { relayConfig } from '../test/support/relay-config.ts'
import { startRelayProcess } from '../test/support/relay-process.ts'
import { printMachine, printTable } from './support/report.ts'
import { startSink } from './support/start-sink.ts'

const MINUTES = Number(process.argv[2] ?? 0.5)
const PRINT_MS = Math.max(5_000, (MINUTES * 60_000) / 40)
const TROUBLE_MS = 10_000
const NO_FAULT: ProxyFault = { kind: 'none' }
const BUILT = join(import.meta.dirname, '../bin/relay.js')

interface Kind {
  readonly name: string
  readonly perSecond: number
  readonly body: (n: number) => string | Buffer
  readonly headers?: Record<string, string>
}

const line = (n: number, i: number) =>
  `cpu,host=host-${i % 100},region=eu usage_user=${(n + i) / 7},usage_system=${i / 3} ` +
  `${1_700_000_000_000_000_000n + BigInt(n * 10_000 + i)}\n`
const lines = (n: number, count: number) =>
  Array.from({ length: count }, (_, i) => line(n, i)).join('')

const KINDS: readonly Kind[] = [
  { name: 'one line', perSecond: 500, body: (n) => line(n, n) },
  { name: '100 lines', perSecond: 30, body: (n) => lines(n, 100) },
  { name: '5,000 lines', perSecond: 1, body: (n) => lines(n, 5_000) },
  {
    name: 'gzip',
    perSecond: 5,
    body: (n) => gzipSync(lines(n, 500)),
    headers: { 'Content-Encoding': 'gzip' },
  },
  { name: 'bad', perSecond: 2, body: (n) => `${lines(n, 3)}no line\n` },
]

printMachine()
const folder = await mkdtemp(join(tmpdir(), 'line-relay-bench-'))
await using a = await startSink()
await using b = await startSink()
const proxy = await openFaultProxy(Number(new URL(b.url).port))
const http = `log-dir = "${folder}"`
const config = await relayConfig({ outputs: [a.url, proxy.url], http, hasOwnTimes: true })
await using relay = await startRelayProcess({ config: config.toml, program: BUILT })
const agent = new Agent({ keepAlive: true, maxSockets: 200 })
const endAt = performance.now() + MINUTES * 60_000
const statuses: Record<number, number> = {}

async function offer({ perSecond, body, headers = {} }: Kind): Promise<void> {
  const writes: Promise<void>[] = []
  const beganAt = performance.now()
  for (let n = 0; performance.now() < endAt; n++) {
    const dueAt = beganAt + (n * 1000) / perSecond
    await sleep(Math.max(0, dueAt - performance.now()))
    writes[n % 1000] = write(body(n), headers)
  }
  await Promise.all(writes)
}

async function write(body: string | Buffer, headers: Record<string, string>): Promise<void> {
  const request = { method: 'POST', body, headers, agent, limitMs: 30_000 }
  const answer = await httpRequest(`${relay.url}/write?db=db`, request).catch(() => undefined)
  const status = answer?.status ?? 0
  statuses[status] = (statuses[status] ?? 0) + 1
}

async function makeTrouble(): Promise<void> {
  const faults: readonly ProxyFault[] = [
    { kind: 'stall' },
    { kind: 'cut', afterBytes: 1000, direction: 'up' },
    { kind: 'rate', bytesPerSecond: 1000 },
    { kind: 'garbage' },
  ]
  for (let i = 0; performance.now() < endAt - 2 * TROUBLE_MS; i++) {
    await sleep(TROUBLE_MS)
    proxy.fault = faults[i % faults.length] ?? NO_FAULT
    await sleep(TROUBLE_MS / 2)
    proxy.fault = NO_FAULT
  }
  proxy.fault = NO_FAULT
}

const residents: number[] = []
let worstP99S = 0

async function watch(): Promise<void> {
  console.log('\nminute  resident  files  event loop p99, max  pending')
  while (performance.now() < endAt) {
    await sleep(PRINT_MS)
    const samples = await readMetrics(config.adminUrl)
    const of = (name: string) => sumOf(samples, name)
    const files = (await readdir(`/proc/${relay.pid}/fd`)).length
    const minute = (performance.now() - (endAt - MINUTES * 60_000)) / 60_000
    const residentMb = of('process_resident_memory_bytes') / 1e6
    const p99S = of('nodejs_eventloop_lag_p99_seconds')
    residents.push(residentMb)
    worstP99S = Math.max(worstP99S, p99S)
    const cells = [
      minute.toFixed(1).padStart(6),
      `${residentMb.toFixed(0)} MB`.padStart(9),
      String(files).padStart(6),
      `${(p99S * 1000).toFixed(1)}, ${(of('nodejs_eventloop_lag_max_seconds') * 1000).toFixed(0)} ms`.padStart(
        20,
      ),
      `${(of('relay_output_pending_bytes') / 1e6).toFixed(1)} MB`.padStart(9),
    ]
    console.log(cells.join(' '))
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

try {
  await Promise.all([...KINDS.map(offer), makeTrouble(), watch()])
  await untilNothingPends(config.adminUrl, 60_000)
  const half = Math.floor(residents.length / 2)
  const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
  const [first, second] = [mean(residents.slice(1, half)), mean(residents.slice(half))]
  const peak = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${relay.pid}/status`, 'utf8'))?.[1]
  const head = [
    ...['minutes', 'resident, first half', 'second half', 'at most'],
    ...['event loop p99 at the worst', 'answers'],
  ]
  const row = [
    ...[String(MINUTES), `${first.toFixed(0)} MB`, `${second.toFixed(0)} MB`],
    `${((Number(peak) * 1024) / 1e6).toFixed(0)} MB`,
    `${(worstP99S * 1000).toFixed(1)} ms`,
    Object.entries(statuses)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', '),
  ]
  printTable(head, [row])
} finally {
  agent.destroy()
  await proxy[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}
