/**
 * File destination: what was written, in the form that `influx -import` reads
 * (file-import-form.ts).
 *
 * Batches are appended one by one, each with a single write call, whole or not at all. The context
 * stands at the head of every file, so that each can be imported by itself; import older ones first
 * (`name.2`, `name.1`, `name`). CREATE statements that were seen stand at the head of every file
 * that is begun after them.
 *
 * What the form cannot hold is refused for good: a string with a newline in it, a database or
 * retention policy with a colon in its name, other statements, other body formats.
 *
 * Limits: a file passes `rotateBytes` only by a single batch that is larger. STATEMENTS_MAX
 * statements. Closing waits for what was sent without a bound of its own: a file system that hangs
 * (NFS) holds up the stop, because a write call cannot be called off.
 */

import type { FileOutputConfig } from '../../config/config.ts'
import { rescaleToNanoseconds } from '../../line-protocol/rescale.ts'
import type { Clock } from '../../std/clock.ts'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { LogThrottle } from '../../std/throttle.ts'
import { renderBytes } from '../../std/units.ts'
import { refusedReply } from '../../write/reply.ts'
import type { LinesWrite } from '../../write/write.ts'
import {
  ANSWERED,
  type Batch,
  type Destination,
  type ProbeResult,
  type Verdict,
} from '../destination.ts'
import { FileAppender } from './file-appender.ts'
import {
  DML,
  isOneLineEach,
  parseHead,
  parseStatement,
  renderContext,
  renderDdl,
} from './file-import-form.ts'

/** Together well below what is read back of a file's head. */
const STATEMENTS_MAX = 64
const STATEMENT_CHARS_MAX = 512
const LOG_INTERVAL_MS = 60_000
const DELIVERED: Verdict = { kind: 'delivered', body: '', lost: [] }
const NOT_WRITTEN = {
  retryAfterMs: undefined,
  hasBegun: false,
  isDown: false,
  suspicion: 'none',
} as const
/** Said of a whole batch: which of its lines it is comes out when they are sent one by one. */
const NEWLINE_IN_STRING = 'an import file cannot hold a string with a newline in it'

export interface FileDestinationOptions {
  readonly config: FileOutputConfig
  readonly clock: Clock
  readonly logger: Logger
}

/** @throws RelayError RELAY_OUTPUT_UNUSABLE when the file cannot be written */
export async function openFileDestination(options: FileDestinationOptions): Promise<Destination> {
  const { config, clock, logger } = options
  const { name, path } = config
  try {
    const file = await FileAppender.open({ path, output: name, clock, logger })
    return new FileDestination(options, file)
  } catch (error) {
    throw unusable(`output "${name}": ${path}`, error)
  }
}

class FileDestination implements Destination {
  readonly #options: FileDestinationOptions
  readonly #file: FileAppender
  readonly #rotationLog: LogThrottle
  /** Ends when the last call so far has ended. Never rejects. */
  #queue: Promise<unknown> = Promise.resolve()
  #generation = 0
  /** `# DML` stands in the file. */
  #hasDml = false
  /** The context lines that hold at the end of the file. */
  #context = ''
  #statements: readonly string[] = []

  constructor(options: FileDestinationOptions, file: FileAppender) {
    this.#options = options
    this.#file = file
    this.#rotationLog = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#lookAtFile()
  }

  send(batch: Batch): Promise<Verdict> {
    // Streams send side by side; the file takes one batch after the other.
    const verdict = this.#queue.then(() => this.#write(batch))
    this.#queue = verdict
    return verdict
  }

  async probe(): Promise<ProbeResult> {
    return ANSWERED
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue
    await this.#file[Symbol.asyncDispose]()
  }

  async #write(batch: Batch): Promise<Verdict> {
    const [first] = batch.writes
    try {
      if (first?.kind === 'statement') return await this.#writeStatement(first.body.toString())
      if (first?.kind === 'opaque') {
        return refused('a file output keeps line protocol only')
      }
      return await this.#writeLines(batch)
    } catch (error) {
      const why = `${this.#options.config.path}: ${errorText(error)}`
      return { kind: 'retry', why, ...NOT_WRITTEN }
    }
  }

  async #writeLines({ writes, target }: Batch): Promise<Verdict> {
    const context = renderContext(target)
    if (context === undefined) {
      return refused('an import file cannot name this database or retention policy')
    }
    if (!writes.every(({ body, lineCount }) => isOneLineEach(body, lineCount))) {
      return { kind: 'split', downTo: 'line', reply: refusedReply(400, NEWLINE_IN_STRING) }
    }
    await this.#append(
      writes.map(({ body }) => rescaled(body, target.precision)),
      context,
    )
    return DELIVERED
  }

  async #append(bodies: readonly Buffer[], context: string): Promise<void> {
    const bytes = bodies.reduce((sum, { length }) => sum + length, 0)
    if (bytes === 0) return
    await this.#makeReady(bytes)
    let prefix = ''
    if (this.#file.length === 0) prefix += renderDdl(this.#statements)
    if (!this.#hasDml) prefix += DML
    if (context !== this.#context) prefix += context
    await this.#file.append([Buffer.from(prefix), ...bodies])
    this.#hasDml = true
    this.#context = context
  }

  async #writeStatement(text: string): Promise<Verdict> {
    const statement = parseStatement(text)
    if (statement === undefined) return refused('a file output keeps only CREATE statements')
    if (this.#statements.includes(statement)) return DELIVERED
    const isTooMuch = this.#statements.length >= STATEMENTS_MAX
    if (isTooMuch || statement.length > STATEMENT_CHARS_MAX) {
      return refused('too many or too long statements for a file output')
    }
    await this.#makeReady(statement.length)
    // Below `# DML` the importer would take it for a bad line.
    if (this.#hasDml) await this.#rotate()
    if (this.#hasDml) return refused('the file cannot be begun anew for a statement')
    const statements = [...this.#statements, statement]
    const isNew = this.#file.length === 0
    await this.#file.append([Buffer.from(isNew ? renderDdl(statements) : `${statement}\n`)])
    this.#statements = statements
    return DELIVERED
  }

  async #makeReady(bytes: number): Promise<void> {
    await this.#file.check()
    this.#lookAtFile()
    const { length, isRegular } = this.#file
    const isFull = length > 0 && length + bytes > this.#options.config.rotateBytes
    if (isFull && isRegular) await this.#rotate()
  }

  async #rotate(): Promise<void> {
    if (!this.#file.isRegular) return
    const { name, path, keepFiles } = this.#options.config
    const { length } = this.#file
    try {
      await this.#file.rotate(keepFiles)
    } catch (error) {
      // A file that grows too long does less harm than writes that are not kept at all.
      this.#logNotRotated(error)
      return
    }
    this.#lookAtFile()
    const text = `output "${name}": ${path} is full at ${renderBytes(length)}; a new one is begun`
    this.#options.logger.info({ output: name, path, bytes: length, keepFiles }, text)
  }

  #logNotRotated(error: unknown): void {
    const suppressed = this.#rotationLog.hit()
    if (suppressed === undefined) return
    const { name, path } = this.#options.config
    const fields = { output: name, path, cause: errorCode(error), suppressed }
    const text = `output "${name}": ${path} cannot be renamed, it goes on growing: `
    this.#options.logger.error(fields, text + errorText(error))
  }

  /** Takes over what stands in a file that has just been opened. */
  #lookAtFile(): void {
    if (this.#generation === this.#file.generation) return
    this.#generation = this.#file.generation
    const { hasDml, statements } = parseHead(this.#file.head)
    this.#hasDml = hasDml
    this.#context = ''
    this.#statements = [...new Set([...this.#statements, ...statements])]
  }
}

function unusable(what: string, cause: unknown): RelayError {
  const text = `${what} cannot be written: ${errorText(cause)}`
  return new RelayError('RELAY_OUTPUT_UNUSABLE', text, { cause })
}

function rescaled(body: Buffer, precision: LinesWrite['target']['precision']): Buffer {
  return precision === 'ns' ? body : rescaleToNanoseconds(body, precision)
}

function refused(error: string): Verdict {
  return { kind: 'refused', reply: refusedReply(400, error), isDoubtful: false }
}
