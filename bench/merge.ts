/**
 * What does a write cost in the relay itself, without sockets? Prints CPU per write from `accept`
 * to its answer: append, merge, hand to two outputs, settle, vote; and how many writes went
 * together. Garbage collection counts, and so do the writers and outputs, which do next to nothing.
 *
 * Run: `node bench/merge.ts [SECONDS]`. In bench/peers.ts most of the CPU of a small write is that
 * of sockets, in the kernel; what the relay's own way through the log costs is seen only here. The
 * round with the least CPU counts: others on the machine can only add to it.
 *
 * So many writers each send a line of 100 bytes, already scanned, when their last one is answered.
 * An output answers after one turn of the event loop, as long as a socket takes at the least.
 */
import {
  ANSWERED,
  type Batch,
  type Destination,
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

  async send(_: Batch): Promise<Verdict> {
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
