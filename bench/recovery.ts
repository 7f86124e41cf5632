/**
 * How does a relay start with a large backlog on disk? Prints the time from its start to ready, the
 * rate at which the backlog drains, the rate of one connection that sends the same bodies to the
 * same output directly, and the peak of resident memory.
 *
 * Run: `node bench/recovery.ts [MEGABYTES] [RATE | influxd]` after `npm run build`. The backlog is
 * written with the output down; then the relay is killed and started again, with the output up. The
 * output is a separate process that answers at once or at RATE MB/s, or a real InfluxDB.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../test/support/free-port.ts'
import { openInfluxd } from '../test/support/influxd.ts'
import { readMetrics, type Sample, sumOf } from '../test/support/metrics.ts'
import { relayConfig } from '../test/support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../test/support/relay-process.ts'
import { until } from '../test/support/wait.ts'
import { openWriteClient, type WriteClient } from '../test/support/write-client.ts'
import { printMachine, printTable, tellProgress } from './support/report.ts'
import { startSink } from './support/start-sink.ts'

const MEGABYTE = 1_000_000
const BACKLOG_BYTES = Number(process.argv[2] ?? 1_000) * MEGABYTE
const OUTPUT = process.argv[3] ?? 'Infinity'
const LINES = 5_000
/** The built relay: from source, the resident memory of the compiler would count as well. */
const BUILT = join(import.meta.dirname, '../bin/relay.js')
const DRAIN_MAX_MS = 300_000

/** A line as agents send it: some tags, some fields, a timestamp. */
function makeBody(n: number): string {
  const line = (i: number) =>
    `cpu,host=host-${i % 100},region=eu-west usage_user=${i / 7},usage_system=${n / 3},n=${i}i ` +
    `${1_700_000_000_000_000_000n + BigInt(n * LINES + i)}\n`
  return Array.from({ length: LINES }, (_, i) => line(i)).join('')
}

const bodies = Array.from({ length: 20 }, (_, n) => makeBody(n))
const bodyBytes = bodies.reduce((sum, { length }) => sum + length, 0) / bodies.length
const count = Math.ceil(BACKLOG_BYTES / bodyBytes)

/** Writes the bodies one after the other. @returns MB/s */
async function writeAll(client: WriteClient): Promise<number> {
  const startedAt = performance.now()
  for (let i = 0; i < count; i++) {
    const { status, body } = await client.write(bodies[i % bodies.length] ?? '')
    if (status !== 204) throw new Error(`answered ${status}: ${body}`)
  }
  return rate(count * bodyBytes, performance.now() - startedAt)
}

function rate(bytes: number, ms: number): number {
  return bytes / MEGABYTE / (ms / 1000)
}

async function peakMb({ pid }: RelayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) * 1024) / MEGABYTE
}

function outputName(): string {
  if (OUTPUT === 'influxd') return 'InfluxDB'
  return OUTPUT === 'Infinity' ? 'unlimited' : `${OUTPUT} MB/s`
}

function deliveredLines(samples: readonly Sample[]): number {
  return sumOf(samples, 'relay_output_lines_total', { outcome: 'delivered' })
}

interface BenchOutput {
  readonly url: string
  /** Removes all data: as before the first write. */
  empty(): Promise<void>
}

async function openOutput(stack: AsyncDisposableStack): Promise<BenchOutput> {
  if (OUTPUT !== 'influxd') {
    const { url } = stack.use(await startSink('none', Number(OUTPUT) * MEGABYTE))
    return { url, empty: () => Promise.resolve() }
  }
  const influxd = await openInfluxd({ after: (end) => stack.defer(end) })
  const empty = async () => {
    await influxd.query('DROP DATABASE db')
    await influxd.createDatabase('db')
  }
  await empty()
  return { url: influxd.url, empty }
}

printMachine()
const folder = await mkdtemp(join(tmpdir(), 'line-relay-bench-'))
const http = `log-dir = "${folder}"`
try {
  const absent = `http://127.0.0.1:${await freePort()}`
  const before = await relayConfig({ outputs: [absent], http, hasOwnTimes: true })
  await using filled = await startRelayProcess({ config: before.toml, program: BUILT })
  using filler = openWriteClient(filled.url)
  tellProgress('the backlog is written, the output being down')
  const taken = await writeAll(filler)
  const peakMeanwhile = await peakMb(filled)
  await filled.kill('SIGKILL')

  await using stack = new AsyncDisposableStack()
  const output = await openOutput(stack)
  using direct = openWriteClient(output.url)
  tellProgress('one connection sends the same directly')
  const own = await writeAll(direct)
  await output.empty()

  const after = await relayConfig({ outputs: [output.url], http, hasOwnTimes: true })
  const startedAt = performance.now()
  await using relay = await startRelayProcess({ config: after.toml, program: BUILT })
  const readyAt = performance.now()
  tellProgress('the backlog drains')
  const early = deliveredLines(await readMetrics(after.adminUrl))
  const countedAt = performance.now()
  const isDrained = async () => deliveredLines(await readMetrics(after.adminUrl)) >= count * LINES
  await until(isDrained, { what: 'the backlog is drained', limitMs: DRAIN_MAX_MS })
  const leftBytes = (count - early / LINES) * bodyBytes
  const drained = rate(leftBytes, performance.now() - countedAt)
  tellProgress('')
  const head = [
    ...['backlog', 'output', 'written at', 'resident at most', 'start to ready'],
    ...['one connection directly', 'drain', 'resident at most'],
  ]
  const row = [
    `${((count * bodyBytes) / MEGABYTE).toFixed(0)} MB`,
    outputName(),
    ...[`${taken.toFixed(0)} MB/s`, `${peakMeanwhile.toFixed(0)} MB`],
    ...[`${(readyAt - startedAt).toFixed(0)} ms`, `${own.toFixed(0)} MB/s`],
    `${drained.toFixed(0)} MB/s (${((drained / own) * 100).toFixed(0)} %)`,
    `${(await peakMb(relay)).toFixed(0)} MB`,
  ]
  printTable(head, [row])
} finally {
  await rm(folder, { recursive: true, force: true })
}
