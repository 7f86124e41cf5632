/**
 * What do clients see of outputs that are slow or far away? Prints p50 and p99 for one-line writes
 * at a fixed rate to outputs that take 5 ms, and the lines per second of 64 clients with outputs 50
 * ms away.
 *
 * Run: `node bench/distance.ts [--rounds N] [--seconds N] [--rate N]` after `npm run build`.
 * influxdb-relay is included if it is on the PATH or in INFLUXDB_RELAY. "Directly" is the same load
 * on one of the outputs, without a relay.
 *
 * An output answers every request after a fixed delay and takes any number of requests at once,
 * like a database that is far away, not like one at its limit. Rounds are interleaved; the median
 * of each figure counts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { plainLines } from './support/bodies.ts'
import { type Load, type LoadResult, renderWrite, runLoad } from './support/load.ts'
import {
  influxdbRelay,
  type Peer,
  presentPeers,
  relay,
  startPeer,
} from './support/peer-programs.ts'
import { printMachine, printTable, tellProgress } from './support/report.ts'
import { startCountingSink } from './support/start-counting-sink.ts'
import { figure, median, percentile } from './support/statistics.ts'

const SLOW_MS = 5
const FAR_MS = 50
/** Connections of the open loop: enough that no request waits for one. */
const OPEN_LOOP_CONNECTIONS = 256
const CLIENTS = 64
const WARM_UP_SECONDS = 1

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1' },
    rate: { type: 'string', default: '3000' },
  },
})
const ROUNDS = Number(values.rounds)
const SECONDS = Number(values.seconds)
const RATE = Number(values.rate)

/** The target of the load: a relay, or an output itself. */
interface Way {
  readonly name: string
  readonly port: number
}

interface Case {
  readonly lines: number
  readonly connections: number
  readonly perSecond?: number
}

/** By the name of the target. */
type Rounds = ReadonlyMap<string, readonly LoadResult[]>
const NO_ROUNDS: Rounds = new Map()

const folder = await mkdtemp(join(tmpdir(), 'line-relay-bench-'))
try {
  printMachine()
  const peers = await presentPeers([relay, influxdbRelay])
  console.log(`Medians of ${ROUNDS} rounds of ${SECONDS} s.`)
  await measureSlow(peers)
  await measureFar(peers)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function measureSlow(peers: readonly Peer[]): Promise<void> {
  const oneLine = { lines: 1, connections: OPEN_LOOP_CONNECTIONS, perSecond: RATE }
  const [rounds = NO_ROUNDS] = await measure(SLOW_MS, peers, [oneLine])
  const rows = [...rounds].map(([name, results]) => {
    const wait = (share: number) =>
      figure(median(results.map(({ waitsMs }) => percentile(waitsMs, share))))
    const answered = figure(median(results.map(({ answersPerSecond }) => answersPerSecond)))
    return [name, wait(0.5), wait(0.99), answered, failedOf(results)]
  })
  const title = `**Outputs that take ${SLOW_MS} ms, ${RATE.toLocaleString('en-US')} one-line writes/s**`
  printTable(['', 'p50 ms', 'p99 ms', 'answers/s', 'not 204'], rows, title)
}

async function measureFar(peers: readonly Peer[]): Promise<void> {
  const cases = [1, 100].map((lines) => ({ lines, connections: CLIENTS }))
  const [single = NO_ROUNDS, hundred = NO_ROUNDS] = await measure(FAR_MS, peers, cases)
  const rows = [...single.keys()].map((name) => {
    const [one, many] = [single.get(name) ?? [], hundred.get(name) ?? []]
    const rate = (results: readonly LoadResult[], lines: number) =>
      figure(median(results.map(({ answersPerSecond }) => answersPerSecond)) * lines)
    const wait = (results: readonly LoadResult[]) =>
      figure(median(results.map(({ waitsMs }) => percentile(waitsMs, 0.5))))
    return [name, rate(one, 1), wait(one), rate(many, 100), wait(many), failedOf([...one, ...many])]
  })
  const head = ['', '1 line: lines/s', 'p50 ms', '100 lines: lines/s', 'p50 ms', 'not 204']
  printTable(head, rows, `**Outputs ${FAR_MS} ms away, ${CLIENTS} clients**`)
}

/** For each case, the rounds of each target. */
async function measure(
  delayMs: number,
  peers: readonly Peer[],
  cases: readonly Case[],
): Promise<readonly Rounds[]> {
  await using opened = new AsyncDisposableStack()
  const sinks = [
    opened.use(await startCountingSink(delayMs)),
    opened.use(await startCountingSink(delayMs)),
  ]
  const outputs = sinks.map(({ url }) => url)
  const own = await mkdtemp(join(folder, 'outputs-'))
  const ways: Way[] = [{ name: 'directly', port: sinks[0]?.port ?? 0 }]
  for (const peer of peers) {
    const place = { outputs, folder: own, certificate: undefined }
    const { port } = opened.use(await startPeer(peer, place))
    ways.push({ name: peer.name, port })
  }
  const measured: Rounds[] = []
  for (const each of cases) measured.push(await measureCase(each, ways))
  tellProgress('')
  return measured
}

async function measureCase(each: Case, ways: readonly Way[]): Promise<Rounds> {
  const { lines, connections, perSecond } = each
  const request = renderWrite(plainLines(lines))
  const loadOn = ({ port }: Way, seconds: number): Load => {
    return { port, request, connections, perSecond, seconds }
  }
  const rounds = new Map<string, LoadResult[]>()
  for (const way of ways) await runLoad(loadOn(way, WARM_UP_SECONDS))
  for (let round = 1; round <= ROUNDS; round++) {
    for (const way of ways) {
      tellProgress(`${lines} lines, round ${round} of ${ROUNDS}: ${way.name}`)
      const result = await runLoad(loadOn(way, SECONDS))
      rounds.set(way.name, [...(rounds.get(way.name) ?? []), result])
    }
  }
  return rounds
}

function failedOf(results: readonly LoadResult[]): string {
  return String(results.reduce((sum, { sent, stored }) => sum + sent - stored, 0))
}
