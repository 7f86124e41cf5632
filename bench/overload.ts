/**
 * What is stored at twice the load that the outputs can take? Prints every second the number of
 * answers, the share of 204 in per cent of what the outputs can take, and the relay's memory; then
 * how long after the load a write is answered 204 again.
 *
 * Run: `node bench/overload.ts [SECONDS]`. Two outputs, each a separate process, handle one request
 * at a time at a fixed rate; clients write in an open loop. All other settings are defaults.
 */
import { errorText } from '../src/std/errors.ts'
import { readMetrics, sumOf, untilNothingPends } from '../test/support/metrics.ts'
import { type LoadAnswer, offerLoad } from '../test/support/offered-load.ts'
import { relayConfig } from '../test/support/relay-config.ts'
import { startRelayProcess } from '../test/support/relay-process.ts'
import { until } from '../test/support/wait.ts'
import { printMachine, printTable } from './support/report.ts'
import { startSink } from './support/start-sink.ts'

const SECONDS = Number(process.argv[2] ?? 30)
const BYTES_PER_SECOND = 1_000_000
const WRITE_BYTES = 5_000
const TAKEN_PER_SECOND = BYTES_PER_SECOND / WRITE_BYTES
const OFFERED = 2
/** Longest wait for an event that should come at once. */
const RECOVERY_MS = 60_000

const padding = 'x'.repeat(WRITE_BYTES - 60)
const lineOf = (index: number) =>
  `m,n=${String(index).padStart(9, '0')} v="${padding}" ${1_700_000_000_000_000_000n}\n`

await using a = await startSink('none', BYTES_PER_SECOND)
await using b = await startSink('none', BYTES_PER_SECOND)
const config = await relayConfig({ outputs: [a.url, b.url], hasOwnTimes: true })
await using relay = await startRelayProcess({ config: config.toml })

let fresh: LoadAnswer[] = []
let second = 0
let maxResidentMb = 0
printMachine()
console.log('\nsecond   204    503  other   goodput  longest wait  resident')
const printer = setInterval(() => void printSecond(), 1000) // Never rejects.

async function printSecond(): Promise<void> {
  const answers = fresh
  fresh = []
  second++
  const count = (status: number) => answers.filter((answer) => answer.status === status).length
  const [stored, refused] = [count(204), count(503)]
  const maxWaitMs = answers.reduce((max, { waitMs }) => Math.max(max, waitMs), 0)
  const samples = await readMetrics(config.adminUrl).catch(() => [])
  const residentMb = sumOf(samples, 'process_resident_memory_bytes') / 1e6
  maxResidentMb = Math.max(maxResidentMb, residentMb)
  const cells = [
    String(second).padStart(6),
    String(stored).padStart(5),
    String(refused).padStart(6),
    String(answers.length - stored - refused).padStart(6),
    `${((stored / TAKEN_PER_SECOND) * 100).toFixed(0)} %`.padStart(9),
    `${maxWaitMs.toFixed(0)} ms`.padStart(13),
    `${residentMb.toFixed(0)} MB`.padStart(9),
  ]
  console.log(cells.join(' '))
}

const { answers, maxWaitMs } = await offerLoad({
  url: relay.url,
  writesPerSecond: TAKEN_PER_SECOND * OFFERED,
  durationMs: SECONDS * 1000,
  lineOf,
  onAnswer: (answer) => fresh.push(answer),
})
const overAt = performance.now()
clearInterval(printer)
const stored = async () => (await relay.write('next v=1 1\n')).status === 204
const recovered = await timeUntil(() => until(stored, { what: '204', limitMs: RECOVERY_MS }))
const caughtUp = await timeUntil(() => untilNothingPends(config.adminUrl, RECOVERY_MS))

/** Since the end of the load. */
async function timeUntil(reached: () => Promise<unknown>): Promise<string> {
  try {
    await reached()
    return `${((performance.now() - overAt) / 1000).toFixed(2)} s`
  } catch (error) {
    return `not in time (${errorText(error)})`
  }
}

const statuses: Record<number, number> = {}
for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1
const goodput = ((statuses[204] ?? 0) / (TAKEN_PER_SECOND * SECONDS)) * 100
const head = [
  ...['seconds', '204', '503', 'other', 'goodput', 'longest wait', 'resident at most'],
  ...['204 again after', 'nothing pending after'],
]
const { 204: good = 0, 503: refused = 0 } = statuses
const row = [
  ...[String(SECONDS), String(good), String(refused), String(answers.length - good - refused)],
  ...[`${goodput.toFixed(0)} %`, `${maxWaitMs.toFixed(0)} ms`, `${maxResidentMb.toFixed(0)} MB`],
  ...[recovered, caughtUp],
]
printTable(head, [row])
