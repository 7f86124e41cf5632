/**
 * How does the relay compare with its peers? Prints for each workload: CPU of the peer's whole
 * process tree per request, requests per second, latency, requests to an output per request of a
 * client, lines that arrived, and the peak of resident memory.
 *
 * Run: `node bench/peers.ts [--rounds N] [--seconds N] [WORKLOAD …]` after `npm run build`. The
 * default is all workloads; an unknown name prints the names. influxdb-relay, nginx (with `mirror`)
 * and vmagent are included if they are on the PATH or in INFLUXDB_RELAY, NGINX, VMAGENT.
 *
 * Every peer is started again for each workload, with two outputs of its own that only count; it is
 * warmed up, and runs for all rounds. Rounds of the peers are interleaved, because the speed of a
 * shared machine changes; the median of each figure counts. The outputs are separate processes;
 * this process is the load generator.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { plainLines, telegrafLines } from './support/bodies.ts'
import { type Certificate, makeCertificate } from './support/certificate.ts'
import { type Load, renderWrite } from './support/load.ts'
import { measureRound, type Round, type Subject, warmUp } from './support/measure-peer.ts'
import { PEERS, type Peer, presentPeers, relay, startPeer } from './support/peer-programs.ts'
import { peakMegabytes } from './support/process-tree.ts'
import { printMachine, printTable, tellProgress } from './support/report.ts'
import { type CountingSink, startCountingSink } from './support/start-counting-sink.ts'
import { figure, median, percentile } from './support/statistics.ts'

const OPEN_LOOP_RATES = [1_000, 4_000, 16_000]
const OPEN_LOOP_CONNECTIONS = 256

interface Workload {
  readonly title: string
  readonly lines: number
  readonly body: () => Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly connections: number
  /** The open loop, at one rate after the other. */
  readonly rates?: readonly number[]
  readonly isTls?: boolean
  readonly isConnectionFresh?: boolean
}

const oneLine = { lines: 1, body: () => plainLines(1) }

const WORKLOADS: Readonly<Record<string, Workload>> = {
  'one-line-1': { title: '1 line, 1 connection', ...oneLine, connections: 1 },
  'one-line-64': { title: '1 line, 64 connections', ...oneLine, connections: 64 },
  '100-lines': {
    title: '100 lines, 64 connections',
    ...{ lines: 100, body: () => plainLines(100), connections: 64 },
  },
  '5000-lines': {
    title: '5,000 lines, 16 connections',
    ...{ lines: 5_000, body: () => plainLines(5_000), connections: 16 },
  },
  '5000-unstamped': {
    title: '5,000 lines without timestamps, 16 connections',
    ...{ lines: 5_000, body: () => plainLines(5_000, 'without'), connections: 16 },
  },
  'telegraf-gzip': {
    title: '1,000 Telegraf lines, gzip, 16 connections',
    ...{ lines: 1_000, body: () => gzipSync(telegrafLines(1_000)), connections: 16 },
    headers: { 'Content-Encoding': 'gzip' },
  },
  tls: { title: '1 line, TLS, 64 connections', ...oneLine, connections: 64, isTls: true },
  'new-connections': {
    title: '1 line, a new connection for each request, 16 at a time',
    ...{ ...oneLine, connections: 16, isConnectionFresh: true },
  },
  'open-loop': {
    title: '1 line, open loop',
    ...{ ...oneLine, connections: OPEN_LOOP_CONNECTIONS, rates: OPEN_LOOP_RATES },
  },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '0.5' },
  },
})
const ROUNDS = Number(values.rounds)
const SECONDS = Number(values.seconds)
const chosen = positionals.length > 0 ? positionals : Object.keys(WORKLOADS)
const unknown = chosen.filter((name) => WORKLOADS[name] === undefined)
if (unknown.length > 0 || !(ROUNDS >= 1) || !(SECONDS > 0)) {
  const known = Object.keys(WORKLOADS).join(', ')
  console.error(`usage: bench/peers.ts [--rounds N] [--seconds N] [WORKLOAD …], of: ${known}`)
  process.exit(1)
}

/** The rounds of one peer at one rate. */
interface Measured {
  readonly peer: Peer
  readonly rate: number | undefined
  readonly rounds: readonly Round[]
  readonly residentMb: number
}

interface PeerWithSinks {
  readonly peer: Peer
  /** Each peer has its own outputs: late requests of one peer must not count for another. */
  readonly sinks: readonly CountingSink[]
}

const folder = await mkdtemp(join(tmpdir(), 'line-relay-bench-'))
try {
  printMachine()
  const peers: PeerWithSinks[] = []
  await using opened = new AsyncDisposableStack()
  for (const peer of await presentPeers(PEERS)) {
    const sinks = [opened.use(await startCountingSink()), opened.use(await startCountingSink())]
    peers.push({ peer, sinks })
  }
  console.log(`Medians of ${ROUNDS} rounds of ${SECONDS} s.`)
  const certificate = await makeCertificate(folder)
  for (const name of chosen) {
    const workload = WORKLOADS[name]
    if (workload !== undefined) await run(workload, peers, certificate)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(
  workload: Workload,
  peers: readonly PeerWithSinks[],
  certificate: Certificate | undefined,
): Promise<void> {
  const isTls = workload.isTls === true
  if (isTls && certificate === undefined) {
    console.log(`\n**${workload.title}**: skipped, openssl is not installed`)
    return
  }
  const measured = await measure(
    workload,
    peers.filter(({ peer }) => peer.canTls || !isTls),
    isTls ? certificate : undefined,
  )
  print(workload, measured)
}

async function measure(
  workload: Workload,
  peers: readonly PeerWithSinks[],
  certificate: Certificate | undefined,
): Promise<readonly Measured[]> {
  const { title, connections, lines, isConnectionFresh, rates = [undefined] } = workload
  const body = workload.body()
  const request = renderWrite(body, workload.headers)
  const size = { lines, bytes: body.length }
  const load = { request, connections, isConnectionFresh, ca: certificate?.ca, seconds: SECONDS }
  await using opened = new AsyncDisposableStack()
  const subjects = await startAll(peers, certificate, opened)
  for (const subject of subjects) {
    tellProgress(`${title}, warming up ${subject.peer.name}`)
    await warmUp(subject, { ...load, port: subject.running.port })
  }
  const rounds = new Map<string, Round[]>()
  for (let round = 1; round <= ROUNDS; round++) {
    for (const subject of subjects) {
      for (const rate of rates) {
        const { peer, running } = subject
        tellProgress(`${title}, round ${round} of ${ROUNDS}: ${peer.name}`)
        const ownLoad: Load = { ...load, port: running.port, perSecond: rate }
        const key = keyOf(peer, rate)
        rounds.set(key, [...(rounds.get(key) ?? []), await measureRound(subject, ownLoad, size)])
      }
    }
  }
  tellProgress('')
  return rates.flatMap((rate) =>
    subjects.map(({ peer, running }) => {
      const residentMb = peakMegabytes(running.pid)
      return { peer, rate, residentMb, rounds: rounds.get(keyOf(peer, rate)) ?? [] }
    }),
  )
}

function keyOf(peer: Peer, rate: number | undefined): string {
  return `${peer.name} ${rate}`
}

async function startAll(
  peers: readonly PeerWithSinks[],
  certificate: Certificate | undefined,
  opened: AsyncDisposableStack,
): Promise<readonly Subject[]> {
  const own = await mkdtemp(join(folder, 'workload-'))
  const subjects: Subject[] = []
  for (const { peer, sinks } of peers) {
    const place = { outputs: sinks.map(({ url }) => url), folder: own, certificate }
    subjects.push({ peer, sinks, running: opened.use(await startPeer(peer, place)) })
  }
  return subjects
}

function print(workload: Workload, measured: readonly Measured[]): void {
  const cpuOf = ({ rounds }: Measured) => median(rounds.map((round) => round.cpuUsPerRequest))
  const head = [
    ...['', 'CPU µs/request', 'ratio', 'requests/s', 'p50 ms', 'p99', 'p99.9'],
    ...['to an output/request', 'delivered', 'resident MB', 'not 204'],
  ]
  const rows = measured.map((each) => {
    const { peer, rate, rounds, residentMb } = each
    const own = measured.find((other) => other.peer === relay && other.rate === rate)
    const ratio = own === undefined ? Number.NaN : cpuOf(each) / cpuOf(own)
    const of = (read: (round: Round) => number) => figure(median(rounds.map(read)))
    const wait = (share: number) => of(({ load }) => percentile(load.waitsMs, share))
    const delivered = median(rounds.map(({ deliveredShare }) => deliveredShare))
    const failed = rounds.reduce((sum, { load }) => sum + load.sent - load.stored, 0)
    return [
      rate === undefined ? peer.name : `${rate.toLocaleString('en-US')}/s, ${peer.name}`,
      ...[figure(cpuOf(each)), figure(ratio)],
      of(({ load }) => load.answersPerSecond),
      ...[wait(0.5), wait(0.99), wait(0.999)],
      of(({ outputRequestsPerRequest }) => outputRequestsPerRequest),
      Number.isNaN(delivered) ? '–' : `${figure(delivered * 100)} %`,
      residentMb.toFixed(0),
      String(failed),
    ]
  })
  printTable(head, rows, `**${workload.title}**`)
}
