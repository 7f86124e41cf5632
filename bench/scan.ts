/**
 * How fast does the scanner decide? Prints MB/s and time per body for what clients send.
 *
 * Run: `node bench/scan.ts`. Medians of 15 rounds after a warm-up, one core.
 */

import { scanLines } from '../src/line-protocol/scan.ts'
import { printMachine, printTable } from './support/report.ts'
import { median } from './support/statistics.ts'

const ROUNDS = 15
const LINE_COUNT = 5000
const T0 = 1_700_000_000_000_000_000n

type Line = (index: number) => string

const tags = (i: number) => `host=server${String(i % 100).padStart(3, '0')},region=eu-west-1`
const cpu: Line = (i) =>
  `cpu,${tags(i)} usage_user=${i % 100}.25,usage_system=1.5,usage_idle=${99 - (i % 99)}.125`
const bodies: Record<string, Line> = {
  'plain, with timestamps': (i) => `${cpu(i)} ${T0 + BigInt(i)}`,
  'plain, without timestamps': cpu,
  'long floats': (i) => `cpu,${tags(i)} a=${Math.PI * (i + 1)},b=${Math.E / (i + 1)} ${T0}`,
  exponents: (i) => `cpu,${tags(i)} a=1.25e-05,b=${i + 1}e+10 ${T0}`,
  integers: (i) => `net,${tags(i)} sent=${i * 1_000_003}i,received=${i}i,errors=0i ${T0}`,
  'strings with escapes': (i) => `log,${tags(i)} message="say \\"hi\\", line ${i}",level=3i ${T0}`,
  'unsorted tags': (i) => `cpu,region=eu-west-1,host=a${i % 9} usage=1.5 ${T0}`,
  'escaped tags': (i) => `cpu,host=my\\ server,region=eu usage=1.5,n=${i}i ${T0}`,
  'odd lines: two spaces': (i) => `cpu,host=a${i % 9},region=eu  usage=1.5,n=${i}i ${T0}`,
  'all refused': (i) => `cpu,host=a usage=${i}x ${T0}`,
}

const medianMs = (run: () => void): number => {
  const times: number[] = []
  for (let round = 0; round < ROUNDS * 2; round++) {
    const start = performance.now()
    run()
    if (round >= ROUNDS) times.push(performance.now() - start)
  }
  return median(times)
}

printMachine()
const rows: string[][] = []
for (const [name, line] of Object.entries(bodies)) {
  const body = Buffer.from(Array.from({ length: LINE_COUNT }, (_, i) => `${line(i)}\n`).join(''))
  const ms = medianMs(() => {
    scanLines(body, { precision: 'ns', stamp: () => `${T0}`, unsignedIntegers: false })
  })
  rows.push([name, (body.length / 1000 / ms).toFixed(0), ms.toFixed(2)])
}

const one = Buffer.from(`${cpu(1)} ${T0}\n`)
const ms = medianMs(() => {
  for (let i = 0; i < 10_000; i++) {
    scanLines(one, { precision: 'ns', stamp: () => `${T0}`, unsignedIntegers: false })
  }
})
const perLineMs = ms / 10_000
rows.push(['one line', (one.length / 1000 / perLineMs).toFixed(0), (perLineMs * 5_000).toFixed(2)])
printTable(['lines', 'MB/s', 'ms for 5,000 lines'], rows)
