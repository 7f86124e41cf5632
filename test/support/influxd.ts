/**
 * A real InfluxDB 1.x in a temporary folder, on ports of its own.
 *
 *     if (!requireInfluxd(t)) return
 *     const a = await openInfluxd(t)
 *     await a.createDatabase('db')
 *     …
 *     assert.deepEqual(await a.points('db'), await b.points('db'))
 *
 * Folder and process are removed when the test ends, however it ends. Ports and folder stay the
 * same over `kill` and `start`. The server syncs its WAL before it answers, so that
 * `kill('SIGKILL')` loses no acknowledged write. Before the next start, a torn record is cut off
 * the WAL: otherwise InfluxDB would lose the writes behind it at the start after that
 * (torn-wal.ts).
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Child, type Exit, startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { requireProgram } from './missing.ts'
import { decodeMsgpack } from './msgpack.ts'
import { pointLines, quoted, type Row, rowsOf, type Series, seriesOf } from './series.ts'
import { type Lifetime, temporaryFolder } from './temporary-folder.ts'
import { cutTornWal } from './torn-wal.ts'
import { until } from './wait.ts'

export interface InfluxdOptions {
  /** Require credentials; the first user is admin / adminpw, and `query` uses it. */
  readonly auth?: boolean
  /** Default 25,000,000, as InfluxDB's. */
  readonly maxBodyBytes?: number
}

/** The answer of `/write`. */
export interface WriteAnswer {
  readonly status: number
  readonly body: string
}

const ADMIN = { u: 'admin', p: 'adminpw' }
const OUTPUT_LINES_KEPT = 200

/** Whether the test can run: without `influxd` it is skipped (missing.ts). */
export function requireInfluxd(t: Pick<TestContext, 'skip'>): boolean {
  return requireProgram(t, 'influxd', 'influxdb')
}

/** As `requireInfluxd`, for the client `influx`. */
export function requireInfluxCli(t: Pick<TestContext, 'skip'>): boolean {
  return requireProgram(t, 'influx', 'influxdb-client')
}

/** Resolves when the server runs and answers `/ping`. */
export async function openInfluxd(t: Lifetime, options: InfluxdOptions = {}): Promise<Influxd> {
  const folder = await temporaryFolder(t)
  const ports = { http: await freePort(), rpc: await freePort(), udp: await freePort() }
  await writeFile(join(folder, 'influxdb.conf'), configuration(folder, ports, options))
  const influxd = new Influxd(folder, ports, options.auth === true)
  t.after(() => influxd[Symbol.asyncDispose]())
  await influxd.start()
  if (options.auth === true) {
    await influxd.query(`CREATE USER ${ADMIN.u} WITH PASSWORD '${ADMIN.p}' WITH ALL PRIVILEGES`)
  }
  return influxd
}

/** Two servers with these databases, as the replicas of a relay. */
export async function openInfluxdPair(
  t: Lifetime,
  databases: readonly string[] = ['db'],
): Promise<readonly [Influxd, Influxd]> {
  const pair = await Promise.all([openInfluxd(t), openInfluxd(t)])
  for (const server of pair) {
    for (const database of databases) await server.createDatabase(database)
  }
  return pair
}

interface Ports {
  readonly http: number
  readonly rpc: number
  readonly udp: number
}

export class Influxd implements AsyncDisposable {
  readonly folder: string
  readonly #ports: Ports
  readonly #auth: boolean
  readonly #output: string[] = []
  #child: Child | undefined
  #wasKilled = false

  constructor(folder: string, ports: Ports, auth: boolean) {
    this.folder = folder
    this.#ports = ports
    this.#auth = auth
  }

  get port(): number {
    return this.#ports.http
  }

  /** UDP port for line protocol to the database "udp", which the server creates by itself. */
  get udpPort(): number {
    return this.#ports.udp
  }

  /** Base URL without a path. */
  get url(): string {
    return `http://127.0.0.1:${this.#ports.http}`
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error('this influxd does not run')
    return this.#child.pid
  }

  /** Starts the server in its folder, on its ports; resolves when it answers. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error('this influxd runs already')
    if (this.#wasKilled) await cutTornWal(join(this.folder, 'wal'))
    const child = await startChild({
      command: 'influxd',
      args: ['-config', join(this.folder, 'influxdb.conf')],
      onLine: (line) => {
        this.#output.push(line)
        if (this.#output.length > OUTPUT_LINES_KEPT) this.#output.shift()
      },
    })
    this.#child = child
    let ended: Exit | undefined
    void child.exited.then((exit) => {
      ended = exit
    })
    // Polled: at this log level influxd does not say that it is ready.
    await until(async () => ended !== undefined || (await this.#answersPing()), {
      what: () => `influxd on ${this.url} answers /ping; it said:\n${this.#output.join('\n')}`,
    })
    if (ended !== undefined) {
      this.#child = undefined
      throw new Error(`influxd ended (${JSON.stringify(ended)}):\n${this.#output.join('\n')}`)
    }
  }

  /** Sends the signal and resolves when the server has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    child.signal(signal)
    // A stopped process handles only these two signals before it continues.
    if (signal !== 'SIGKILL') child.signal('SIGCONT')
    await child.exited
    await child[Symbol.asyncDispose]()
    this.#child = undefined
    this.#wasKilled = true
  }

  /** Makes the server hang: the kernel accepts connections, nothing is answered. */
  async pause(): Promise<void> {
    const { pid } = this
    this.#child?.signal('SIGSTOP')
    // Polled: a process that was told to stop may still answer for a moment, without an event at
    // its end.
    await until(async () => /^State:\s+T/m.test(await readFile(`/proc/${pid}/status`, 'utf8')), {
      what: `process ${pid} is stopped`,
    })
  }

  resume(): void {
    this.#child?.signal('SIGCONT')
  }

  /**
   * Resolves when the server works on no write, not even on one whose client is gone, and none
   * waits to be read; at once when it does not run.
   */
  async untilIdle(): Promise<void> {
    if (this.#child === undefined) return
    const isIdle = async () => {
      if (this.#child === undefined) return true
      // The server closes its end once it has read and carried out all requests of a client that is
      // gone.
      if (await hasDeserted(this.#ports.http)) return false
      const variables: unknown = await (await fetch(`${this.url}/debug/vars`)).json()
      return /"writeReqActive":0\b/.test(JSON.stringify(variables))
    }
    await until(isIdle, { what: `no write is under way in ${this.url}` })
  }

  async createDatabase(name: string): Promise<void> {
    await this.query(`CREATE DATABASE ${quoted(name)}`)
  }

  /** Writes directly, without a relay. */
  async write(lines: string, query = 'db=db'): Promise<WriteAnswer> {
    const credentials = this.#auth ? `&${new URLSearchParams(ADMIN)}` : ''
    const url = `${this.url}/write?${query}${credentials}`
    const response = await fetch(url, { method: 'POST', body: lines })
    return { status: response.status, body: await response.text() }
  }

  /**
   * The rows of all series of all statements. Integers and times (nanoseconds) are `bigint`, floats
   * are `number`; tags are fields beside the columns, the measurement is `name`.
   *
   * @throws Error when InfluxDB answers with an error
   */
  async query(statement: string, database?: string): Promise<Row[]> {
    return (await this.#series(statement, database)).flatMap(rowsOf)
  }

  /**
   * Every point of the database in every retention policy, one line each, sorted: equal lists mean
   * equal databases, with tags, field types, values and nanosecond times.
   *
   *     cpu,host=a idle=1i,usage=0.5 1700000000000000000
   *     "two_hours".cpu usage=1 1700000000000000000          (not in autogen)
   *
   * @param measurement only points of this one
   */
  async points(database: string, measurement?: string): Promise<string[]> {
    const policies = await this.query(`SHOW RETENTION POLICIES ON ${quoted(database)}`)
    const from = measurement === undefined ? '/^/' : quoted(measurement)
    const lines: string[] = []
    for (const policy of policies.map(({ name }) => String(name))) {
      const source = `${quoted(database)}.${quoted(policy)}.${from}`
      const series = await this.#series(`SELECT * FROM ${source} GROUP BY *`, database)
      const prefix = policy === 'autogen' ? '' : `${quoted(policy)}.`
      for (const line of series.flatMap(pointLines)) lines.push(prefix + line)
    }
    return lines.sort()
  }

  /** The number of points in the database, as `points` counts them. */
  async countPoints(database: string): Promise<number> {
    return (await this.points(database)).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL')
  }

  async #series(statement: string, database: string | undefined): Promise<Series[]> {
    const form = new URLSearchParams({ q: statement, epoch: 'ns' })
    if (database !== undefined) form.set('db', database)
    const credentials = this.#auth ? `?${new URLSearchParams(ADMIN)}` : ''
    const response = await fetch(`${this.url}/query${credentials}`, {
      method: 'POST',
      headers: { Accept: 'application/x-msgpack' },
      body: form,
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    return seriesOf(decodeMsgpack(bytes), statement)
  }

  async #answersPing(): Promise<boolean> {
    return (await fetch(`${this.url}/ping`, { signal: AbortSignal.timeout(10_000) })).status === 204
  }
}

function configuration(folder: string, ports: Ports, options: InfluxdOptions): string {
  return `
reporting-disabled = true
bind-address = "127.0.0.1:${ports.rpc}"
[meta]
  dir = "${folder}/meta"
  logging-enabled = false
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[shard-precreation]
  enabled = false
[continuous_queries]
  enabled = false
[subscriber]
  enabled = false
[http]
  bind-address = "127.0.0.1:${ports.http}"
  auth-enabled = ${options.auth === true}
  log-enabled = false
  max-body-size = ${options.maxBodyBytes ?? 25_000_000}
[[udp]]
  enabled = true
  bind-address = "127.0.0.1:${ports.udp}"
  database = "udp"
  batch-timeout = "100ms"
[logging]
  level = "warn"
`
}

/** State in /proc/net/tcp: the client has closed, the server has not. */
const CLOSE_WAIT = '08'

/** Whether a client of this port is gone and the server has not noticed yet. Linux only. */
async function hasDeserted(port: number): Promise<boolean> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  )
  return tables
    .join('\n')
    .split('\n')
    .some((row) => {
      const [, local = '', , state] = row.trim().split(/\s+/)
      return local.endsWith(`:${hexPort}`) && state === CLOSE_WAIT
    })
}
