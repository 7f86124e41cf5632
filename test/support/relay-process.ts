/**
 * The whole program as a process: started as a user starts it, driven over its real sockets.
 *
 *     const port = await freePort()
 *     await using relay = await startRelayProcess({
 *       config: `[[http]]\nbind-addr = "127.0.0.1:${port}"\n…`,
 *     })
 *     assert.equal((await relay.write('cpu,host=a usage=1 1')).status, 204)
 *     await relay.kill('SIGTERM')
 *     assert.equal((await relay.exited).code, 0)
 *
 * The program runs from source with the Node of the test. Standard output is not a terminal, so it
 * logs JSON lines; other lines are kept as `{ msg: line, raw: true }`. Disposing kills it at once:
 * a test of stopping sends the signal itself.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Arrivals } from './arrivals.ts'
import { type Child, type Exit, startChild } from './child.ts'
import { type HttpAnswer, httpRequest } from './http-request.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** One log line: `msg`, and the program's fields. */
export interface LogLine {
  readonly msg: string
  readonly level?: string | number
  readonly [field: string]: unknown
}

export type LogPredicate = (line: LogLine) => boolean

export interface RelayProcessOptions {
  /** The TOML text. Bind to ports of `freePort()`. */
  readonly config: string
  readonly env?: Readonly<Record<string, string>>
  /** Further command line arguments, after `-config FILE`. */
  readonly args?: readonly string[]
  /** Default: `src/main.ts`. */
  readonly program?: string
  /** A command that executes the program in its place: `sh -c 'ulimit -n 64; exec "$@"' sh`. */
  readonly under?: readonly string[]
  /** The line that shows readiness; default: its `msg` contains "ready". */
  readonly ready?: LogPredicate
}

/**
 * Resolves when the program says that it is ready.
 *
 * @throws Error with all its output when it ends first or is not ready in time; to test such an
 *   end, use `runRelay`.
 */
export async function startRelayProcess(options: RelayProcessOptions): Promise<RelayProcess> {
  const relay = await spawnRelay(options)
  try {
    const ready = options.ready ?? ((line) => line.msg.includes('ready'))
    await relay.line(ready)
    return relay
  } catch (error) {
    await relay[Symbol.asyncDispose]()
    throw error
  }
}

/** Runs the program until it ends by itself, as with a broken config or `-version`. */
export async function runRelay(
  options: RelayProcessOptions,
): Promise<Exit & { readonly output: string; readonly logs: readonly LogLine[] }> {
  await using relay = await spawnRelay(options)
  const exit = await relay.exited
  return { ...exit, output: relay.output, logs: relay.logs }
}

async function spawnRelay(options: RelayProcessOptions): Promise<RelayProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'line-relay-test-'))
  const file = join(folder, 'relay.toml')
  await writeFile(file, options.config)
  const logs = new Arrivals<LogLine>((line) => JSON.stringify(line))
  const program = [
    process.execPath,
    resolve(ROOT, options.program ?? 'src/main.ts'),
    '-config',
    file,
  ]
  const [command = '', ...args] = [...(options.under ?? []), ...program, ...(options.args ?? [])]
  const child = await startChild({
    command,
    args,
    cwd: ROOT,
    ...(options.env === undefined ? {} : { env: options.env }),
    onLine: (line) => logs.push(parseLine(line)),
  })
  return new RelayProcess(child, { logs, folder, configFile: file, url: httpUrl(options.config) })
}

interface Parts {
  readonly logs: Arrivals<LogLine>
  readonly folder: string
  readonly configFile: string
  readonly url: string | undefined
}

export class RelayProcess implements AsyncDisposable {
  /** Resolves when the program has ended and its last line was read; never rejects. */
  readonly exited: Promise<Exit>
  /** Path of the configuration file; the test may rewrite it. */
  readonly configFile: string
  readonly #child: Child
  readonly #parts: Parts

  constructor(child: Child, parts: Parts) {
    this.#child = child
    this.#parts = parts
    this.configFile = parts.configFile
    this.exited = child.exited
    void child.exited.then((exit) => {
      const how = `code ${exit.code}, signal ${exit.signal}`
      parts.logs.end(new Error(`the relay ended (${how}); its output:\n${this.output}`))
    })
  }

  get pid(): number {
    return this.#child.pid
  }

  /** Base URL of the first `[[http]]` of the config. */
  get url(): string {
    if (this.#parts.url === undefined) throw new Error('the config has no [[http]] bind-addr')
    return this.#parts.url
  }

  get logs(): readonly LogLine[] {
    return this.#parts.logs.items
  }

  /** All output, line by line. */
  get output(): string {
    return this.logs.map((line) => ('raw' in line ? line.msg : JSON.stringify(line))).join('\n')
  }

  /** The first log line, past or future, that fits. Rejects when the process ends without it. */
  line(fits: LogPredicate): Promise<LogLine> {
    return this.#parts.logs.first(fits, 'a log line that fits')
  }

  /** The first log line that fits and that no call of `nextLog` has returned yet. */
  nextLog(fits: LogPredicate): Promise<LogLine> {
    return this.#parts.logs.next(fits, 'one more log line that fits')
  }

  /** Sends the signal and resolves when the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    this.#child.signal(signal)
    return await this.exited
  }

  /** Sends a signal and does not wait. */
  signal(name: NodeJS.Signals): void {
    this.#child.signal(name)
  }

  /**
   * Posts line protocol on a connection of its own.
   *
   * @param query of the URL, without the `?`
   */
  write(
    lines: string | Uint8Array,
    query = 'db=db',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HttpAnswer> {
    const url = `${this.url}/write?${query}`
    return httpRequest(url, { method: 'POST', body: lines, headers })
  }

  /** Sends any other request. */
  get(path: string): Promise<HttpAnswer> {
    return httpRequest(this.url + path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]()
    await rm(this.#parts.folder, { recursive: true, force: true })
  }
}

function parseLine(line: string): LogLine {
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === 'object' && parsed !== null && 'msg' in parsed) {
      return { ...parsed, msg: String(parsed.msg) }
    }
  } catch {
    // Not JSON: kept as a raw line, below.
  }
  return { msg: line, raw: true }
}

function httpUrl(config: string): string | undefined {
  const address = /\[\[http\]\][^[]*?\n\s*bind-addr\s*=\s*"([^"]+)"/.exec(config)?.[1]
  if (address === undefined) return undefined
  return `http://${address.startsWith(':') ? `127.0.0.1${address}` : address}`
}
