/**
 * Do clients notice that one of two outputs is in trouble? Prints p50 and p99 of the answers, and
 * their ratio to the case with both outputs healthy.
 *
 * Run: `node bench/isolation.ts [WRITES]`. The relay and each output are separate processes; 64
 * connections send one-line writes in a closed loop. Rounds of all cases are interleaved and the
 * median round counts, because the speed of a shared machine changes.
 */
import { Agent, request } from 'node:http'
import { freePort } from '../test/support/free-port.ts'
import { relayConfig } from '../test/support/relay-config.ts'
import { startRelayProcess } from '../test/support/relay-process.ts'
import { printMachine, printTable, tellProgress } from './support/report.ts'
import { type SinkTrouble, startSink } from './support/start-sink.ts'
import { median, percentile } from './support/statistics.ts'

const CONNECTIONS = 64
const ROUNDS = 3
const WARM_UP_WRITES = 2_000
const WRITES = Number(process.argv[2] ?? 3_000)

type Trouble = SinkTrouble | 'refusing'

const CASES: Readonly<Record<string, Trouble>> = {
  'both well': 'none',
  'one hung': 'hung',
  'one slow (1 kB/s)': 'slow',
  'one answering 503': '503',
  'one refusing connections': 'refusing',
}

interface Round {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
  /** Answers other than 204. */
  readonly failed: number
}

/** URL of the second output, which has that trouble. */
async function openSecond(trouble: Trouble, opened: AsyncDisposableStack): Promise<string> {
  if (trouble === 'refusing') return `http://127.0.0.1:${await freePort()}`
  return opened.use(await startSink(trouble)).url
}

async function measure(trouble: Trouble): Promise<Round> {
  await using opened = new AsyncDisposableStack()
  const first = opened.use(await startSink())
  const second = await openSecond(trouble, opened)
  const config = await relayConfig({ outputs: [first.url, second], hasOwnTimes: true })
  const relay = opened.use(await startRelayProcess({ config: config.toml }))
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  await runLoad(relay.url, agent, WARM_UP_WRITES)
  const startedAt = performance.now()
  const { waits, failed } = await runLoad(relay.url, agent, WRITES)
  const seconds = (performance.now() - startedAt) / 1000
  agent.destroy()
  waits.sort((x, y) => x - y)
  const [p50Ms, p99Ms] = [percentile(waits, 0.5), percentile(waits, 0.99)]
  return { p50Ms, p99Ms, perSecond: WRITES / seconds, failed }
}

async function runLoad(
  url: string,
  agent: Agent,
  count: number,
): Promise<{ waits: number[]; failed: number }> {
  const waits: number[] = []
  let sent = 0
  let failed = 0
  const client = async () => {
    while (sent < count) {
      const body = `cpu,host=h${sent % 100} usage=${sent}i ${1_700_000_000_000_000_000n + BigInt(sent)}`
      sent++
      const beganAt = performance.now()
      if ((await post(`${url}/write?db=db`, agent, body)) !== 204) failed++
      waits.push(performance.now() - beganAt)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  return { waits, failed }
}

function post(url: string, agent: Agent, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', agent }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

printMachine()
console.log(`Medians of ${ROUNDS} rounds of ${WRITES} writes.`)
const rounds = new Map<string, Round[]>(Object.keys(CASES).map((what) => [what, []]))
for (let round = 0; round < ROUNDS; round++) {
  for (const [what, trouble] of Object.entries(CASES)) {
    tellProgress(`round ${round + 1} of ${ROUNDS}: ${what}`)
    rounds.get(what)?.push(await measure(trouble))
  }
}

tellProgress('')

const medianOf = (each: readonly Round[], read: (round: Round) => number) => median(each.map(read))
const well = rounds.get('both well') ?? []
const wellP50Ms = medianOf(well, ({ p50Ms }) => p50Ms)
const wellP99Ms = medianOf(well, ({ p99Ms }) => p99Ms)
const rows = [...rounds].map(([what, each]) => {
  const p50Ms = medianOf(each, (round) => round.p50Ms)
  const p99Ms = medianOf(each, (round) => round.p99Ms)
  return [
    what,
    ...[p50Ms.toFixed(2), (p50Ms / wellP50Ms).toFixed(2)],
    ...[p99Ms.toFixed(2), (p99Ms / wellP99Ms).toFixed(2)],
    medianOf(each, ({ perSecond }) => perSecond).toFixed(0),
    String(each.reduce((sum, { failed }) => sum + failed, 0)),
  ]
})
printTable(['outputs', 'p50 ms', 'ratio', 'p99 ms', 'ratio', 'writes/s', 'not 204'], rows)
