/**
 * What does a write cost in the relay itself, without sockets? Prints the CPU per write from
 * `accept` to the answer (append, merge, pass to two outputs, settle, ack), and how many writes
 * share a request. The CPU includes garbage collection, and the writers and outputs, which do next
 * to nothing.
 *
 * Run: `node bench/merge.ts [SECONDS]`. In bench/peers.ts most of the CPU of a small write is spent
 * on sockets, in the kernel; only this benchmark shows the cost of the relay's own code. The round
 * with the least CPU counts, because other programs on the machine can only add to it.
 *
 * Each writer sends a line of 100 bytes, already scanned, when its last write is answered. An
 * output answers after one turn of the event loop, the shortest time that a socket can take.
 */
import {
  ANSWERED,
  type Destination,
  type Payload,
  type Verdict,
} from '../src/destinations/destination.ts'
import { Client } from '../src/write/merge-penalty.ts'
import { DELIVERED } from '../test/support/scripted-destination.ts'
import { openTestRelay, writeOf } from '../test/support/scripted-relay.ts'
import { plainLines } from './support/bodies.ts'
import { printMachine, printTable } from './support/report.ts'
import { figure } from './support/statistics.ts'

const SECONDS = Number(process.argv[2] ?? 0.15)
const ROUNDS = 10
const WARM_UP_ROUNDS = 4
const WRITERS = [1, 16, 64, 512]

class PromptDestination implements Destination {
  requests = 0

  async send(_: Payload): Promise<Verdict> {
    this.requests++
    await new Promise((resolve) => setImmediate(resolve))
    return DELIVERED
  }

  async probe() {
    return ANSWERED
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface Round {
  readonly cpuNsPerWrite: number
  readonly writesPerSecond: number
  readonly writesPerRequest: number
}

printMachine()
console.log(`The best of ${ROUNDS} rounds of ${SECONDS} s.`)
const rows: string[][] = []
for (const writers of WRITERS) {
  const { cpuNsPerWrite, writesPerSecond, writesPerRequest } = await measureCase(writers)
  rows.push([String(writers), ...[cpuNsPerWrite, writesPerSecond, writesPerRequest].map(figure)])
}
printTable(['writers', 'CPU ns/write', 'writes/s', 'writes/request'], rows)

async function measureCase(writers: number): Promise<Round> {
  const destinations = [new PromptDestination(), new PromptDestination()]
  const { relay } = await openTestRelay(destinations)
  await using _ = relay
  const body = plainLines(1).toString()
  const clients = Array.from({ length: writers }, () => new Client())

  const measureRound = async (): Promise<Round> => {
    const requestsBefore = destinations[0]?.requests ?? 0
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    const endsAt = startedAt + SECONDS * 1000
    let writes = 0
    const writeOn = async (client: Client) => {
      while (performance.now() < endsAt) {
        const { status } = await relay.accept(writeOf(body, 'db', client))
        if (status !== 204) throw new Error(`answered ${status}`)
        writes++
      }
    }
    await Promise.all(clients.map(writeOn))
    const { user, system } = process.cpuUsage(cpuBefore)
    return {
      cpuNsPerWrite: ((user + system) * 1000) / writes,
      writesPerSecond: writes / ((performance.now() - startedAt) / 1000),
      writesPerRequest: writes / ((destinations[0]?.requests ?? 0) - requestsBefore),
    }
  }

  for (let round = 0; round < WARM_UP_ROUNDS; round++) await measureRound()
  let best = await measureRound()
  for (let round = 1; round < ROUNDS; round++) {
    const next = await measureRound()
    if (next.cpuNsPerWrite < best.cpuNsPerWrite) best = next
  }
  return best
}
