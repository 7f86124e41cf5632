/**
 * File destination: appends writes in the format that `influx -import` reads (import-form.ts).
 *
 * Batches are appended one by one, each with a single write call, whole or not at all. With a log
 * on disk a batch is delivered once it is synced; one sync serves all batches that waited together.
 *
 * Every file begins with a context, so that each file can be imported by itself; import older files
 * first (`name.2`, `name.1`, `name`). A CREATE statement is repeated at the head of every later
 * file.
 *
 * Writes that the format cannot hold are refused for good: a string with a newline in it, a
 * database or retention policy with a colon in its name, other statements, other body formats.
 *
 * Limits: a file exceeds `rotateBytes` only when a single batch is larger. STATEMENTS_MAX
 * statements. Closing waits for all sent batches without a time limit: a file system that hangs
 * (NFS) delays the stop, because a write call cannot be cancelled.
 */

import type { FileOutputConfig } from '../../config/config.ts'
import { rescaleToNanoseconds } from '../../line-protocol/lines/rescale.ts'
import type { FileCheckpoint, FileKeeper } from '../../log/cursors/file-checkpoint.ts'
import type { Clock } from '../../std/clock.ts'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes } from '../../std/units.ts'
import { refusedReply } from '../../write/reply.ts'
import type { LinesWrite } from '../../write/write.ts'
import {
  ANSWERED,
  type DeliveredVerdict,
  type Destination,
  type Payload,
  type ProbeResult,
  type Verdict,
} from '../destination.ts'
import { FileAppender } from './appender.ts'
import {
  DML,
  isOneLineEach,
  parseHead,
  parseStatement,
  renderContext,
  renderDdl,
} from './import-form.ts'
import { nodeOutputFiles, type OutputFiles } from './output-files.ts'

/** All statements together stay well below the size of the head that is read back. */
const STATEMENTS_MAX = 64
const STATEMENT_CHARS_MAX = 512
const LOG_INTERVAL_MS = 60_000
const DELIVERED: DeliveredVerdict = { kind: 'delivered', body: '', lost: [] }
const NOT_WRITTEN = {
  retryAfterMs: undefined,
  hasBegun: false,
  isDown: false,
  evidence: 'none',
} as const
/** The reply for a whole batch. The batch is then split, which finds the lines in question. */
const NEWLINE_IN_STRING = 'an import file cannot hold a string with a newline in it'

export interface FileDestinationOptions {
  readonly config: FileOutputConfig
  readonly clock: Clock
  readonly logger: Logger
  /** The output's cursor, where there is a log on disk. */
  readonly keeper?: FileKeeper | undefined
  /** Simulated in tests. */
  readonly files?: OutputFiles
}

/** @throws RelayError RELAY_OUTPUT_UNUSABLE when the file cannot be written */
export async function openFileDestination(options: FileDestinationOptions): Promise<Destination> {
  const { config, clock, logger, keeper, files = nodeOutputFiles } = options
  const { name: output, path, keepFiles } = config
  try {
    const common = { files, path, keepFiles, output, clock, logger, keeper }
    return new FileDestination(options, await FileAppender.open(common))
  } catch (error) {
    throw unusable(`output "${output}": ${path}`, error)
  }
}

/** The part of the file's content that determines what the next append must begin with. */
interface Form {
  /** `# DML` was written. */
  readonly hasDml: boolean
  /** The context lines in effect at the end of the file. */
  readonly context: string
  /** The statements at the head of this file and of every later file. */
  readonly statements: readonly string[]
}

interface Waiting {
  readonly payload: Payload
  readonly resolve: (verdict: Verdict) => void
}

interface Unsynced {
  readonly verdict: DeliveredVerdict
  readonly resolve: (verdict: Verdict) => void
}

class FileDestination implements Destination {
  readonly #options: FileDestinationOptions
  readonly #file: FileAppender
  readonly #rotationLog: LogThrottle
  #waiting: Waiting[] = []
  /** Appended batches, in order; they are resolved by the next sync. */
  #unsynced: Unsynced[] = []
  /** Never rejects. */
  #writing: Promise<void> | undefined
  #generation = 0
  #form: Form
  #syncedForm: Form

  constructor(options: FileDestinationOptions, file: FileAppender) {
    this.#options = options
    this.#file = file
    this.#rotationLog = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    const statements = file.formerHeads.flatMap((head) => parseHead(head).statements)
    this.#form = { hasDml: false, context: '', statements }
    this.#syncedForm = this.#form
    this.#lookAtFile()
  }

  get checkpoint(): FileCheckpoint | undefined {
    return this.#file.checkpoint
  }

  send(payload: Payload): Promise<Verdict> {
    // Streams send concurrently; the file takes one batch at a time.
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    this.#waiting.push({ payload, resolve })
    this.#writing ??= this.#writeWaiting()
    return promise
  }

  async probe(): Promise<ProbeResult> {
    return ANSWERED
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#file[Symbol.asyncDispose]()
  }

  async #writeWaiting(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { payload, resolve } = next
      const verdict = await this.#write(payload)
      const isUnsynced = verdict.kind === 'delivered' && verdict.checkpoint !== undefined
      if (isUnsynced) this.#unsynced.push({ verdict, resolve })
      // Also after a failure: the next batch may check the file only when nothing is unsynced.
      if (this.#waiting.length === 0 || verdict.kind === 'retry') await this.#sync()
      if (!isUnsynced) resolve(verdict)
    }
    this.#writing = undefined
  }

  /** Syncs the file and resolves all appended batches with the result. Never rejects. */
  async #sync(): Promise<void> {
    const appended = this.#unsynced
    this.#unsynced = []
    try {
      await this.#file.sync()
      this.#syncedForm = this.#form
      for (const { verdict, resolve } of appended) resolve(verdict)
    } catch (error) {
      this.#form = this.#syncedForm
      for (const { resolve } of appended) resolve(this.#notWritten(error))
    }
  }

  async #write(payload: Payload): Promise<Verdict> {
    const [first] = payload.writes
    try {
      if (first?.kind === 'statement') return await this.#writeStatement(first.body.toString())
      if (first?.kind === 'opaque') {
        return refused('a file output keeps line protocol only')
      }
      return await this.#writeLines(payload)
    } catch (error) {
      return this.#notWritten(error)
    }
  }

  #notWritten(error: unknown): Verdict {
    const why = `${this.#options.config.path}: ${errorText(error)}`
    return { kind: 'retry', why, ...NOT_WRITTEN }
  }

  async #writeLines({ writes, target }: Payload): Promise<Verdict> {
    const context = renderContext(target)
    if (context === undefined) {
      return refused('an import file cannot name this database or retention policy')
    }
    if (!writes.every(({ body, lineCount }) => isOneLineEach(body, lineCount))) {
      return { kind: 'split', downTo: 'line', reply: refusedReply(400, NEWLINE_IN_STRING) }
    }
    const bodies = writes.map(({ body }) => rescaled(body, target.precision))
    const bytes = bodies.reduce((sum, { length }) => sum + length, 0)
    return bytes === 0 ? DELIVERED : await this.#append(bodies, bytes, context)
  }

  async #append(bodies: readonly Buffer[], bytes: number, context: string): Promise<Verdict> {
    await this.#makeReady(bytes)
    const { hasDml, statements } = this.#form
    let prefix = ''
    if (this.#file.length === 0) prefix += renderDdl(statements)
    if (!hasDml) prefix += DML
    if (context !== this.#form.context) prefix += context
    await this.#file.append([Buffer.from(prefix), ...bodies])
    this.#form = { hasDml: true, context, statements }
    return this.#delivered()
  }

  async #writeStatement(text: string): Promise<Verdict> {
    const statement = parseStatement(text)
    if (statement === undefined) return refused('a file output keeps only CREATE statements')
    if (this.#form.statements.includes(statement)) return DELIVERED
    const isTooMuch = this.#form.statements.length >= STATEMENTS_MAX
    if (isTooMuch || statement.length > STATEMENT_CHARS_MAX) {
      return refused('too many or too long statements for a file output')
    }
    await this.#makeReady(statement.length)
    // Below `# DML` the importer would take a statement for a bad line.
    if (this.#form.hasDml) await this.#rotate()
    if (this.#form.hasDml) return refused('a statement needs a new file, and none can be begun')
    const statements = [...this.#form.statements, statement]
    const isNew = this.#file.length === 0
    await this.#file.append([Buffer.from(isNew ? renderDdl(statements) : `${statement}\n`)])
    this.#form = { ...this.#form, statements }
    return this.#delivered()
  }

  #delivered(): DeliveredVerdict {
    const { checkpoint } = this
    return checkpoint === undefined ? DELIVERED : { ...DELIVERED, checkpoint }
  }

  async #makeReady(bytes: number): Promise<void> {
    if (this.#unsynced.length === 0) await this.#file.check()
    this.#lookAtFile()
    const { length, isRegular } = this.#file
    const isFull = length > 0 && length + bytes > this.#options.config.rotateBytes
    if (isFull && isRegular) await this.#rotate()
  }

  async #rotate(): Promise<void> {
    if (!this.#file.isRegular) return
    await this.#sync()
    const { name, path, keepFiles } = this.#options.config
    const { length } = this.#file
    try {
      await this.#file.rotate()
    } catch (error) {
      // A file that grows too long does less harm than writes that are not stored at all.
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
    const text = `output "${name}": ${path} cannot be rotated and keeps growing: `
    this.#options.logger.error(fields, text + errorText(error) + renderRepeats(suppressed))
  }

  /** Reads the head of a file that has just been opened. */
  #lookAtFile(): void {
    if (this.#generation === this.#file.generation) return
    this.#generation = this.#file.generation
    const { hasDml, statements } = parseHead(this.#file.head)
    const known = new Set([...this.#form.statements, ...statements])
    this.#form = { hasDml, context: '', statements: [...known] }
    this.#syncedForm = this.#form
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
  return { kind: 'refused', reply: refusedReply(400, error), isUnconfirmed: false }
}
