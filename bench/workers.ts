/**
 * What would a second core gain? Unpacks and scans gzip bodies in the main thread, and in a worker
 * thread, and prints the cost for the main thread and for both threads.
 *
 * Run: `node bench/workers.ts [BODIES]`. Bodies are transferred to the worker, not copied; as many
 * are in flight as there are connections.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { gunzipSync, gzipSync } from 'node:zlib'
import { scanLines } from '../src/line-protocol/scan/scan.ts'

const BODIES = Number(process.argv[2] ?? 1_000)
const CONNECTIONS = 16
const options = { precision: 'ns', unsignedIntegers: false, stamp: () => '1' } as const

function makeBody(lineCount: number): Buffer {
  const line = (i: number) =>
    `cpu,host=host-${i % 100},region=eu usage_user=${i / 7},usage_system=${i / 3},n=${i}i ` +
    `${1_700_000_000_000_000_000n + BigInt(i)}\n`
  return gzipSync(Array.from({ length: lineCount }, (_, i) => line(i)).join(''))
}

/** Microseconds for each body: of this thread, and of the process. */
interface Cost {
  readonly own: number
  readonly all: number
}

async function costOf(work: () => Promise<void> | void): Promise<Cost> {
  const all = process.cpuUsage()
  const own = process.threadCpuUsage()
  await work()
  const sum = ({ user, system }: NodeJS.CpuUsage) => (user + system) / BODIES
  return { own: sum(process.threadCpuUsage(own)), all: sum(process.cpuUsage(all)) }
}

function inThisThread(packed: Buffer): void {
  for (let i = 0; i < BODIES; i++) scanLines(gunzipSync(packed), options)
}

function inAnother(worker: Worker, packed: Buffer): Promise<void> {
  let sent = 0
  let received = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const send = () => {
    const copy = Buffer.from(packed)
    worker.postMessage({ packed: copy, id: sent++ })
  }
  worker.removeAllListeners('message')
  worker.on('message', () => {
    received++
    if (sent < BODIES) send()
    if (received === BODIES) resolve()
  })
  for (let i = 0; i < Math.min(CONNECTIONS, BODIES); i++) send()
  return promise
}

const worker = new Worker(join(import.meta.dirname, 'support/scan-worker.ts'))
console.log('| lines | here, CPU-µs | another thread: CPU-µs here | both together |')
console.log('| ----: | -----------: | --------------------------: | ------------: |')
for (const lineCount of [10, 100, 1_000, 5_000]) {
  const packed = makeBody(lineCount)
  inThisThread(packed)
  await inAnother(worker, packed)
  const here = await costOf(() => inThisThread(packed))
  const there = await costOf(() => inAnother(worker, packed))
  const cells = [here.own, there.own, there.all].map((us) => us.toFixed(0))
  console.log(`| ${lineCount} | ${cells.join(' | ')} |`)
}
await worker.terminate()
