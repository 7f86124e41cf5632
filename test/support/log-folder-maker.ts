/**
 * Makes the log folder of a release that was killed with every kind of content in it: pending
 * writes of all kinds for two outputs, a database that one of them lacks, a statement, dead
 * letters, a gap, and a file that is longer than its output's cursor says.
 *
 *     await makeLogFolder({ program: 'src/main.ts', release: '0.2.0', folder })
 *
 * When the process is killed, all cursors are current except that of c, which lacks the last
 * writes. kept-log.ts shows the layout of the folder.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type FakeInflux, influxError, openFakeInflux } from './fake-influx.ts'
import { httpRequest } from './http-request.ts'
import { fileLines, type KeptLetter, type KeptLog, readCursorJson } from './kept-log.ts'
import { readMetrics, sumOf, untilNothingPends } from './metrics.ts'
import { relayConfig } from './relay-config.ts'
import { type RelayProcess, startRelayProcess } from './relay-process.ts'
import { until } from './wait.ts'

export interface LogFolderOptions {
  /** The program of the release: `src/main.ts` in its checkout. */
  readonly program: string
  readonly release: string
  /** The folder to fill; empty, or missing. */
  readonly folder: string
}

const BASIC = `Basic ${Buffer.from('writer:secret').toString('base64')}`
const SECOND = 1_700_000_000
/** Padding of a large write: segments are 64 kB. */
const PADDING = 'x'.repeat(20_000)
const CONFLICT =
  'partial write: field type conflict: input field "v" on measurement "bad" is type string, already exists as type float dropped=1'
const UNPARSABLE = "unable to parse 'odd'"
const FILE_REFUSAL = 'a file output keeps line protocol only'
const PROMETHEUS = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' }
const OWED_BY_BOTH = ['a', 'b'] as const

type OwedRecords = 'a' | 'b'

const LETTERS: readonly KeptLetter[] = [
  { output: 'a', database: 'first', reason: CONFLICT, body: 'bad v="x" 2\n' },
  { output: 'b', database: 'first', reason: UNPARSABLE, body: 'odd v=1 4\n' },
  { output: 'c', database: 'second', reason: FILE_REFUSAL, body: 'not really snappy\n' },
]

interface Written {
  readonly lines: readonly string[]
  /** The parameters of the URL's query, in the order in which an output gets them. */
  readonly query: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly owedBy?: readonly OwedRecords[]
}

export async function makeLogFolder(options: LogFolderOptions): Promise<void> {
  await using a = await openFakeInflux({
    answer: ({ body, query }) => {
      if (query.get('db') === 'held') return influxError(404, 'database not found: "held"')
      return /^bad /m.test(body) ? influxError(400, CONFLICT) : 204
    },
  })
  await using b = await openFakeInflux({
    answer: ({ body }) => (/^odd /m.test(body) ? influxError(400, UNPARSABLE) : 204),
  })
  const maker = new Maker(options, a, b)
  await maker.leaveLettersAndGap()
  await maker.leaveOwed()
  await maker.leaveMoreAndKill()
}

class Maker {
  readonly #options: LogFolderOptions
  readonly #a: FakeInflux
  readonly #b: FakeInflux
  readonly #owed: Record<OwedRecords, Record<string, string[]>> = { a: {}, b: {} }
  #owedWrites: Record<OwedRecords, number> = { a: 0, b: 0 }
  /** Number of lines written since output c was added. */
  #linesOfC = 0
  #lastOfThird = 0
  #adminUrl = ''

  constructor(options: LogFolderOptions, a: FakeInflux, b: FakeInflux) {
    this.#options = options
    this.#a = a
    this.#b = b
  }

  /** Leaves dead letters and a gap, and stops the relay with nothing pending. */
  async leaveLettersAndGap(): Promise<void> {
    await using relay = await this.#start({ hasC: false })
    await this.#create(relay, 'first')
    for (const lines of [['m v=1 1'], ['m v=2 2', 'bad v="x" 2', 'm v=3 3'], ['odd v=1 4']]) {
      await this.#write(relay, { lines, query: { db: 'first' } })
    }
    await untilNothingPends(this.#adminUrl)
    await this.#b.stop()
    const gaps = join(this.#logFolder, 'gaps.jsonl')
    let time = 0
    while (!existsSync(gaps)) {
      await relay.write(`padding s="${PADDING}" ${++time}`, 'db=first')
    }
    await this.#b.start()
    await untilNothingPends(this.#adminUrl)
    const exit = await relay.kill('SIGTERM')
    assert.equal(exit.code, 0, relay.output)
  }

  /** Adds output c, which gets none of the earlier writes. Stops the relay. */
  async leaveOwed(): Promise<void> {
    await using relay = await this.#start()
    this.#linesOfC = 0
    await this.#write(relay, { lines: ['m v=11 11', 'm v=12 12'], query: { db: 'first' } })
    for (const lines of [['m v=1 1'], ['m v=2 2', 'm v=3 3']]) {
      await this.#write(relay, { lines, query: { db: 'held' }, owedBy: ['a'] })
    }
    await this.#write(relay, { lines: ['m v=13 13'], query: { db: 'first' } })
    await this.#untilPending('b', 0)
    await this.#untilPending('a', 3)

    await this.#b.stop()
    await this.#create(relay, 'second', ['b'])
    await this.#writeSecond(relay)
    await this.#untilPending('a', 3)
    const exit = await relay.kill('SIGTERM')
    assert.equal(exit.code, 0, relay.output)
  }

  /** Now a is down as well. Repeats until the kill came before the cursor of c was saved. */
  async leaveMoreAndKill(): Promise<void> {
    await this.#a.stop()
    {
      await using relay = await this.#start()
      await this.#create(relay, 'third', OWED_BY_BOTH)
      const text = 'm,ort=Köln text="a, \\"b\\" und 日本" 21'
      await this.#write(relay, { lines: [text], query: { db: 'first' }, owedBy: OWED_BY_BOTH })
      await this.#writeThird(relay)
    }
    let bytes: number
    do {
      await using relay = await this.#start()
      bytes = await this.#untilSaved()
      await this.#writeThird(relay)
    } while (bytes !== (await this.#fileOfC()).bytes)
    await this.#finish()
  }

  /** Sends three writes; resolves when c has stored them. */
  async #writeThird(relay: RelayProcess): Promise<void> {
    for (let count = 0; count < 3; count++) {
      const lines = [`m v=${++this.#lastOfThird} ${this.#lastOfThird}`]
      await this.#write(relay, { lines, query: { db: 'third' }, owedBy: OWED_BY_BOTH })
    }
    const hasAll = async () => (await fileLines(this.#options.folder)).length === this.#linesOfC
    await until(hasAll, { what: 'output c has all' })
  }

  async #writeSecond(relay: RelayProcess): Promise<void> {
    const owedBy = ['b'] as const
    const db = 'second'
    const one = { lines: ['m v=1 1'], query: { db }, headers: { authorization: BASIC }, owedBy }
    await this.#write(relay, one)
    const lines = [`m v=2 ${SECOND + 2}`, `m v=3 ${SECOND + 3}`]
    await this.#write(relay, { lines, query: { db, rp: 'week', precision: 's' }, owedBy })
    const query = { db, u: 'writer', p: 'a b' }
    await this.#write(relay, { lines: ['m v=4 4'], query, owedBy })
    const opaque = { lines: ['not really snappy'], query: { db }, headers: PROMETHEUS, owedBy }
    await this.#write(relay, opaque, '/api/v1/prom/write')
  }

  get #logFolder(): string {
    return join(this.#options.folder, 'log')
  }

  async #start({ hasC = true } = {}): Promise<RelayProcess> {
    const { folder, program } = this.#options
    const outputs = [this.#a.url, this.#b.url, ...(hasC ? [`file:${folder}/c.lp`] : [])]
    const http = `log-dir = "${this.#logFolder}"\nlog-max-mb = 1`
    // A normal stop does not wait for pending writes of outputs that are down.
    const config = await relayConfig({ outputs, http, top: 'shutdown-timeout = "1s"' })
    this.#adminUrl = config.adminUrl
    return await startRelayProcess({ config: config.toml, program })
  }

  async #create(
    relay: RelayProcess,
    database: string,
    owedBy: readonly OwedRecords[] = [],
  ): Promise<void> {
    const statement = `CREATE DATABASE "${database}"`
    const url = `${relay.url}/query?q=${encodeURIComponent(statement)}`
    const { status } = await httpRequest(url, { method: 'POST' })
    assert.equal(status, 200, relay.output)
    this.#note(owedBy, database, [`/query | q=${encodeURIComponent(statement)}`])
  }

  async #write(relay: RelayProcess, written: Written, path = '/write'): Promise<void> {
    const { lines, query, headers = {}, owedBy = [] } = written
    const url = `${relay.url}${path}?${new URLSearchParams(query)}`
    const body = `${lines.join('\n')}\n`
    const { status } = await httpRequest(url, { method: 'POST', headers, body })
    assert.equal(status, 204, relay.output)
    const { authorization } = headers as { authorization?: string }
    const start = [path, ...Object.values(query), ...(authorization ? [authorization] : [])]
    if (path === '/write') this.#linesOfC += lines.length
    const rendered = lines.map((line) => `${start.join(' ')} | ${line}`)
    this.#note(owedBy, query['db'] ?? '', rendered)
  }

  #note(owedBy: readonly OwedRecords[], database: string, lines: readonly string[]): void {
    for (const output of owedBy) {
      this.#owedWrites[output]++
      const owed = this.#owed[output]
      owed[database] = [...(owed[database] ?? []), ...lines]
    }
  }

  /** @returns the length of c.lp in the cursor on the disk */
  async #untilSaved(): Promise<number> {
    let size = 0
    const isSaved = async () => {
      const next = (await this.#cursor('c')).doneBelow
      for (const output of OWED_BY_BOTH) {
        const owed = owedBelow(await this.#cursor(output), next)
        if (owed !== this.#owedWrites[output]) return false
      }
      size = (await stat(join(this.#options.folder, 'c.lp'))).size
      return (await this.#fileOfC()).bytes === size
    }
    await until(isSaved, { what: 'all cursors are saved' })
    return size
  }

  async #finish(): Promise<void> {
    const { folder, release } = this.#options
    for (const name of await readdir(this.#logFolder)) {
      if (name.endsWith('.sock')) await unlink(join(this.#logFolder, name))
    }
    const { file: identity, bytes } = await this.#fileOfC()
    const file = { identity, bytes, lines: await fileLines(folder) }
    const kept: KeptLog = { release, owed: this.#owed, letters: LETTERS, file }
    await writeFile(join(folder, 'kept.json'), `${JSON.stringify(kept, null, 2)}\n`)
  }

  /** The identity of c.lp in the cursor. */
  async #fileOfC(): Promise<FileExtent> {
    const extent = (await this.#cursor('c')).files.at(-1)
    assert(extent, 'output c writes to a file')
    return extent
  }

  async #untilPending(output: string, lines: number): Promise<void> {
    const hasThem = async () => {
      const samples = await readMetrics(this.#adminUrl)
      return sumOf(samples, 'relay_output_pending_lines', { output }) === lines
    }
    await until(hasThem, { what: `${lines} lines pend at ${output}` })
  }

  async #cursor(output: string): Promise<CursorJson> {
    return JSON.parse(await readCursorJson(join(this.#logFolder, `cursors/${output}.cursor`)))
  }
}

interface FileExtent {
  readonly file: string
  readonly bytes: number
}

/** The cursor on the disk. */
interface CursorJson {
  readonly doneBelow: number
  readonly done: readonly (readonly [number, number])[]
  readonly files: readonly FileExtent[]
  /** Owed, though their numbers are done. */
  readonly statements?: readonly unknown[]
}

/** How many numbers below `next` are not done in the cursor, and the statements in it. */
function owedBelow({ doneBelow, done, statements = [] }: CursorJson, next: number): number {
  const open = done.reduce((owed, [from, to]) => owed - (to - from + 1), next - doneBelow)
  return open + statements.length
}
