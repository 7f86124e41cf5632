/**
 * How fast is the scanner, and from which size on does the SIMD tier gain?
 *
 * Run: `node bench/scan.ts`. One core. Rounds with and without the tier are interleaved, so that
 * both see the same machine. Only the fast rounds of each count, because other programs on the
 * machine can only add time.
 */

import { simdProblem } from '../src/line-protocol/fast/simd-module.ts'
import { scanLines } from '../src/line-protocol/scan/scan.ts'

const ROUNDS = 60
/** Keeps rounds equally long, whatever the size of the body. */
const ROUND_BYTES = 500_000
const WITH_SIMD = 0
const WITHOUT_SIMD = Number.POSITIVE_INFINITY
const T0 = 1_700_000_000_000_000_000n

type Line = (index: number) => string

const tags = (i: number) => `host=server${String(i % 100).padStart(3, '0')},region=eu-west-1`
const cpu: Line = (i) =>
  `cpu,${tags(i)} usage_user=${i % 100}.25,usage_system=1.5,usage_idle=${99 - (i % 99)}.125`
const stamped: Line = (i) => `${cpu(i)} ${T0 + BigInt(i)}`
const telegraf: Line = (i) => {
  const names = ['guest', 'idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user']
  const fields = names.map((name, k) => `usage_${name}=${((i * 7919 + k * 4729) % 9973) / 99.73}`)
  return `cpu,cpu=cpu${i % 8},dc=fra1,host=server${i % 100},rack=r${i % 7} ${fields} ${T0}`
}
const kinds: Readonly<Record<string, Line>> = {
  'plain, with timestamps': stamped,
  'plain, without timestamps': cpu,
  'telegraf: nine long floats': telegraf,
  integers: (i) => `net,${tags(i)} sent=${i * 1_000_003}i,received=${i}i,errors=0i ${T0}`,
  strings: (i) => `log,${tags(i)} message="GET /a/b, line ${i}",level=3i ${T0}`,
  exponents: (i) => `cpu,${tags(i)} a=1.25e-05,b=${i + 1}e+10 ${T0}`,
  'unsorted tags': (i) => `cpu,region=eu-west-1,host=a${i % 9} usage=1.5 ${T0}`,
  'strings with escapes': (i) => `log,${tags(i)} message="say \\"hi\\", line ${i}",level=3i ${T0}`,
  'escaped tags': (i) => `cpu,host=my\\ server,region=eu usage=1.5,n=${i}i ${T0}`,
  'one escaped tag in ten lines': (i) => (i % 10 === 0 ? `cpu,a=b\\ c v=1 ${T0}` : stamped(i)),
  'odd lines: two spaces': (i) => `cpu,host=a${i % 9},region=eu  usage=1.5,n=${i}i ${T0}`,
  'all refused': (i) => `cpu,host=a usage=${i}x ${T0}`,
}

const SIZES = [100, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 64_000, 250_000, 1_000_000]

function bodyOf(line: Line, bytes: number): Buffer {
  let text = ''
  for (let i = 0; text.length < bytes; i++) text += `${line(i)}\n`
  return Buffer.from(text)
}

/** Microseconds for each body, without the SIMD tier and with it. */
function compare(body: Buffer): readonly [number, number] {
  const scansPerRound = Math.ceil(ROUND_BYTES / body.length)
  const options = { precision: 'ns', stamp: () => `${T0}`, unsignedIntegers: false } as const
  const timesUs: [number[], number[]] = [[], []]
  const run = (simdMinBytes: number): number => {
    const start = performance.now()
    for (let i = 0; i < scansPerRound; i++) scanLines(body, options, simdMinBytes)
    return ((performance.now() - start) * 1000) / scansPerRound
  }
  for (let round = 0; round < ROUNDS * 2; round++) {
    const plainUs = run(WITHOUT_SIMD)
    const simdUs = run(WITH_SIMD)
    if (round < ROUNDS) continue
    timesUs[0].push(plainUs)
    timesUs[1].push(simdUs)
  }
  return [fast(timesUs[0]), fast(timesUs[1])]
}

/** The tenth percentile of the rounds. */
function fast(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 10)] ?? 0
}

function row(name: string, body: Buffer): string {
  const [plainUs, simdUs] = compare(body)
  const us = (value: number) => value.toFixed(value < 100 ? 2 : 0).padStart(8)
  const speed = (value: number) => (body.length / value).toFixed(0).padStart(6)
  const ratio = (plainUs / simdUs).toFixed(2).padStart(6)
  const columns = [us(plainUs), speed(plainUs), us(simdUs), speed(simdUs), ratio]
  return `${name.padEnd(30)} ${columns.join(' ')}`
}

if (simdProblem !== '') console.log(`no SIMD tier here: ${simdProblem}`)
const head = ['µs', 'MB/s', 'µs SIMD', 'MB/s', 'ratio']
console.log(''.padEnd(30), head.map((text, i) => text.padStart(i % 2 ? 6 : 8)).join(' '))
console.log('5,000 lines')
for (const [name, line] of Object.entries(kinds)) {
  console.log(
    row(`  ${name}`, Buffer.from(Array.from({ length: 5000 }, (_, i) => `${line(i)}\n`).join(''))),
  )
}
for (const name of ['plain, with timestamps', 'plain, without timestamps']) {
  console.log(name)
  for (const bytes of SIZES) {
    const body = bodyOf(kinds[name] ?? cpu, bytes)
    console.log(row(`  ${body.length} bytes`, body))
  }
}
