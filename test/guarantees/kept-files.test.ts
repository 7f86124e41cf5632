/**
 * G5: a 204 is kept. Here: in files, which know no points that could be the same points again.
 *
 * With `log-dir` a file output holds every line exactly once, in order, after any number of
 * `kill -9`: what it was written after its cursor was saved is cut off, and comes again.
 *
 * Method: the relay is killed at random moments under load, in every third round while it starts;
 * files are so small that they are rotated all the time. Clients number their lines and never send
 * one twice, so each has to stand in each output once, and those without an answer once or not at
 * all. Power cuts are tried in test/relay/file-output-power-cut.test.ts. `RELAY_TRIALS=20` tries
 * 160 rounds; `RELAY_SEED` those of a former run.
 */
import assert from 'node:assert/strict'
import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { MortalRelay } from '../support/mortal-relay.ts'
import { relayConfig } from '../support/relay-config.ts'
import { between, type Random, seededRandom } from '../support/seeded-random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { scaled } from '../support/trials.ts'
import { until } from '../support/wait.ts'
import { openWriteClient, type WriteClient } from '../support/write-client.ts'

const ROUNDS = scaled(8)
const SEED = Number(process.env['RELAY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const PROGRAM = join(import.meta.dirname, '../support/small-segments-program.ts')
const OUTPUTS = ['a', 'b']
const CLIENTS = 6
const DATABASES = 3
const ALIVE_MAX_MS = 1_500
/** Long enough to come into, and past, the cutting of files and the first writes. */
const STARTING_MAX_MS = 500
const LINE_MAX_BYTES = 8_000
/** Of the writes, those with a line that no file can hold: refused, and the rest is kept. */
const BAD_SHARE = 0.03

/** One client: numbered writes, one after the other, each sent once. */
class SequenceMap {
  readonly #index: number
  readonly #random: Random
  /** Sent, and what was answered. */
  readonly #statuses: (number | undefined)[] = []

  constructor(index: number, random: Random) {
    this.#index = index
    this.#random = random
  }

  async write(relay: MortalRelay, client: WriteClient): Promise<void> {
    const n = this.#statuses.push(undefined)
    const text = 'x'.repeat(between(this.#random, 0, LINE_MAX_BYTES))
    const good = `m,client=${this.#index} n=${n}i,s="${text}" ${n}\n`
    const hasBad = this.#random() < BAD_SHARE
    const body = hasBad ? `${good}bad s="two\nlines" ${n}\n` : good
    const answer = await relay.send(client, { body, query: `db=d${this.#index % DATABASES}` })
    this.#statuses[n - 1] = answer?.status
    // Of a bad line its client hears only when a file has had its turn in time.
    const expected = hasBad ? [204, 400] : [204]
    if (answer === undefined || expected.includes(answer.status)) return
    relay.unexpected.push(`${answer.status} ${answer.body}`)
  }

  get answeredCount(): number {
    return this.#statuses.filter((status) => status !== undefined).length
  }

  /** What is wrong with a file, in words. @param lines all of it, in order */
  findings(lines: readonly string[]): string[] {
    const start = `m,client=${this.#index} n=`
    const own = lines.filter((line) => line.startsWith(start))
    const numbers = own.map((line) => Number.parseInt(line.slice(start.length), 10))
    const wrong: string[] = []
    for (const [at, n] of numbers.entries()) {
      const before = numbers[at - 1] ?? 0
      if (n === before) wrong.push(`client ${this.#index}: ${n} twice`)
      if (n < before) wrong.push(`client ${this.#index}: ${n} after ${before}`)
      if (n > this.#statuses.length) wrong.push(`client ${this.#index}: ${n} was never sent`)
    }
    const there = new Set(numbers)
    for (const [index, status] of this.#statuses.entries()) {
      const isLost = status !== undefined && !there.has(index + 1)
      if (isLost) wrong.push(`client ${this.#index}: ${index + 1} lost, answered ${status}`)
    }
    return wrong
  }
}

/** All lines of an output's files, oldest first. */
async function readLines(folder: string, output: string): Promise<readonly string[]> {
  const ageOf = (name: string) => Number(name.split('.')[2] ?? 0)
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${output}.lp`))
  const texts: string[] = []
  for (const name of names.sort((x, y) => ageOf(y) - ageOf(x))) {
    texts.push(await readFile(join(folder, name), 'utf8'))
  }
  return texts.join('').split('\n')
}

test('every acknowledged line stands in a file output exactly once, however often the relay is killed', async (t) => {
  t.diagnostic(`RELAY_SEED=${SEED}, ${ROUNDS} rounds`)
  const folder = await temporaryFolder(t)
  const random = seededRandom(SEED)
  const config = await relayConfig({
    outputs: OUTPUTS.map((name) => {
      return `{ location = "file:${folder}/${name}.lp", max-file-mb = 1, max-files = 10000 }`
    }),
    http: `log-dir = "${folder}/log"`,
  })
  await using relay = new MortalRelay({ config: config.toml, program: PROGRAM })
  await relay.start()
  const { url } = relay.process
  const clients = Array.from({ length: CLIENTS }, (_, index) => new SequenceMap(index, random))
  let isStopped = false
  const running = clients.map(async (each) => {
    using client = openWriteClient(url)
    while (!isStopped) await each.write(relay, client)
  })
  Promise.all(running).catch(() => {}) // Told below, unless something else fails first.
  const answeredCount = () => clients.reduce((sum, each) => sum + each.answeredCount, 0)
  for (let round = 0; round < ROUNDS; round++) {
    const enough = answeredCount() + CLIENTS * 2
    await sleep(between(random, 50, ALIVE_MAX_MS))
    await until(() => answeredCount() > enough, { what: 'every client has written' })
    await relay.kill()
    if (round % 3 === 2) await relay.startAndKill(between(random, 0, STARTING_MAX_MS))
    await relay.start()
  }
  isStopped = true
  await Promise.all(running)
  assert.deepEqual(relay.unexpected, [], 'broken or refused though nobody was killed')
  await untilNothingPends(config.adminUrl)
  for (const output of OUTPUTS) {
    const lines = await readLines(folder, output)
    const findings = clients.flatMap((each) => each.findings(lines))
    assert.deepEqual(findings.slice(0, 10), [], `output ${output}: seed ${SEED}`)
    assert(!lines.some((line) => line.includes('\0')))
  }
  const files = (await readdir(folder)).length
  t.diagnostic(`${answeredCount()} writes answered, ${relay.brokenCount} not; ${files} files`)
})

test('what a clean stop leaves is not cut, and nothing that others have written since', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'a.lp')
  const config = await relayConfig({ outputs: [`file:${path}`], http: `log-dir = "${folder}/log"` })
  await using relay = new MortalRelay({ config: config.toml })
  await relay.start()
  using client = openWriteClient(relay.process.url)
  const write = async (n: number) =>
    assert.equal((await client.write(`m n=${n}i ${n}`)).status, 204)
  for (const n of [1, 2]) await write(n)
  assert.equal((await relay.process.kill('SIGTERM')).code, 0)
  await appendFile(path, '# written by an operator\n')
  await relay.start()
  await write(3)
  await untilNothingPends(config.adminUrl)
  assert(!relay.process.output.includes('cut off'), relay.process.output)
  assert.equal(sumOf(await readMetrics(config.adminUrl), 'relay_output_lines_total'), 1)
  const head = '# DML\n# CONTEXT-DATABASE: db\n# CONTEXT-RETENTION-POLICY:\n'
  const context = head.slice(head.indexOf('\n') + 1)
  const text = `${head}m n=1i 1\nm n=2i 2\n# written by an operator\n${context}m n=3i 3\n`
  assert.equal(await readFile(path, 'utf8'), text)
})
