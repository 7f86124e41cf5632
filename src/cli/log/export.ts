/**
 * `relay log export`: writes the pending lines to a file that `influx -import` and `relay log
 * import` read (destinations/file/import-form.ts), in the order of the log, with timestamps in
 * nanoseconds.
 *
 * Export leaves out, counts and names on standard error what the format cannot hold: statements,
 * bodies that are no lines, lines with a newline in a string, names with a colon. It exports no
 * credentials, and ignores the filters of outputs.
 *
 * The file is new and readable by its owner only; an existing file is never replaced. Exit code 1
 * when damage may have destroyed pending writes.
 */

import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DML, isOneLineEach, renderContext } from '../../destinations/file/import-form.ts'
import { rescaleToNanoseconds } from '../../line-protocol/lines/rescale.ts'
import { forEachLine } from '../../line-protocol/lines/split.ts'
import { OwedFilter } from '../../log/cursors/output-positions.ts'
import type { OwedStatement } from '../../log/cursors/owed-statements.ts'
import type { LogRecord } from '../../log/segments/record.ts'
import { errorCode, RelayError } from '../../std/errors.ts'
import { writeAll } from '../../std/files.ts'
import { printable } from '../../std/printable.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import type { LinesWrite } from '../../write/write.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK } from '../io.ts'
import { quoted, redactedStatement } from './printable-record.ts'
import type { LogView } from './view-log.ts'

const NEWLINE = 0x0a
/** Bytes gathered before each system call: one call per small write would take most of the time. */
const WRITE_BYTES = 256 * 1024
/** Most records that are named; further ones are only counted. */
const NAMED_MAX = 20

export interface ExportOptions {
  readonly output: string | undefined
  readonly toPath: string | undefined
}

interface Target extends AsyncDisposable {
  /** @returns false when the reader has closed the stream */
  write(bytes: Buffer): Promise<boolean>
  /** Resolves when all bytes are on the disk. */
  finish(): Promise<void>
}

export async function exportPending(
  view: LogView,
  options: ExportOptions,
  io: CommandIo,
): Promise<number> {
  const owed = positionsToExport(view, options.output)
  await using target = await openTarget(options.toPath, io)
  const exporter = new Exporter(target, io)
  const belows = owed.map(({ doneBelow }) => doneBelow ?? Number.POSITIVE_INFINITY)
  const outputs = owed.map((position) => new OwedFilter(position))
  exporter.leaveOutStatements(owed.flatMap(({ statements }) => statements))
  for await (const step of view.steps(Math.min(...belows))) {
    if (step.kind === 'gone') continue
    if (step.kind === 'record') {
      // Ask every output, even after the first yes: each must see every record.
      const isOwed = outputs.map((output) => output.isOwed(step.record)).includes(true)
      if (isOwed && !(await exporter.add(step.record))) return EXIT_FAILURE
      continue
    }
    const where = `${join(view.found.folder, step.segment)}: byte ${step.at}`
    if (step.kind === 'damage') exporter.damaged(`${where}: ${step.bytes} bytes are damaged`)
  }
  return await exporter.finish()
}

function positionsToExport(
  { positions }: LogView,
  output: string | undefined,
): LogView['positions'] {
  if (output === undefined) return positions
  const chosen = positions.filter((position) => position.output === output)
  if (chosen.length > 0) return chosen
  const names = positions.map((position) => quoted(position.output)).join(', ') || 'none'
  const message = `the log knows no output ${quoted(output)}; it knows ${names}`
  throw new RelayError('RELAY_USAGE', message)
}

async function openTarget(path: string | undefined, io: CommandIo): Promise<Target> {
  if (path === undefined) {
    return {
      write(bytes) {
        io.stdout.write(bytes)
        return io.stdout.drained()
      },
      finish: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
  const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error
    const message = `${path} exists already and is left as it is; name a new file`
    throw new RelayError('RELAY_USAGE', message, { cause: error })
  })
  let isFinished = false
  return {
    async write(bytes) {
      await writeAll(handle, [bytes])
      return true
    },
    async finish() {
      await handle.sync()
      isFinished = true
    },
    async [Symbol.asyncDispose]() {
      await handle.close()
      // Remove an unfinished file: it must not pass for a complete backup.
      if (!isFinished) await unlink(path)
    },
  }
}

class Exporter {
  readonly #target: Target
  readonly #io: CommandIo
  #unwritten: Buffer[] = []
  #unwrittenBytes = 0
  #context = ''
  #hasBegun = false
  #writes = 0
  #lines = 0
  #bytes = 0
  #leftOutLines = 0
  #leftOutWrites = 0
  #named = 0
  #damagedPlaces = 0

  constructor(target: Target, io: CommandIo) {
    this.#target = target
    this.#io = io
  }

  /** @returns false when the reader has closed the stream, so that the export should stop */
  async add({ sequence, content }: LogRecord): Promise<boolean> {
    if (content.kind === 'carried') {
      return this.#leaveOut(sequence, `it is of a newer version (format ${content.version})`)
    }
    const { write } = content
    switch (write.kind) {
      case 'lines':
        return await this.#addLines(sequence, write)
      case 'statement':
        return this.#leaveOutStatement(sequence, write.body.toString())
      case 'opaque': {
        const what = `a body of ${renderBytes(write.body.length)} that is no line protocol`
        return this.#leaveOut(
          sequence,
          `it is ${what}, for database ${quoted(write.target.database)}`,
        )
      }
    }
  }

  /** Leaves out statements that only cursors still hold; several cursors may hold the same one. */
  leaveOutStatements(statements: readonly OwedStatement[]): void {
    const once = new Map(statements.map(({ sequence, text }) => [sequence, text]))
    for (const [sequence, text] of once) this.#leaveOutStatement(sequence, text)
  }

  damaged(text: string): void {
    this.#damagedPlaces++
    this.#io.stderr.write(`${printable(text)}; what was stored there is not exported\n`)
  }

  async finish(): Promise<number> {
    if (!this.#hasBegun) this.#unwritten.push(Buffer.from(DML))
    if (!(await this.#flush())) return EXIT_FAILURE
    await this.#target.finish()
    const amount = `${renderCount(this.#writes, 'write')}, ${renderCount(this.#lines, 'line')}`
    const writes = renderCount(this.#leftOutWrites, 'write')
    const leftOut = `left out ${writes} and ${renderCount(this.#leftOutLines, 'line')} of others`
    const text = `exported ${amount}, ${renderBytes(this.#bytes)}; ${leftOut}`
    this.#io.stderr.write(`${text}; damaged: ${renderCount(this.#damagedPlaces, 'place')}\n`)
    return this.#damagedPlaces === 0 ? EXIT_OK : EXIT_FAILURE
  }

  async #addLines(sequence: number, write: LinesWrite): Promise<boolean> {
    const { target, lineCount } = write
    const context = renderContext(target)
    if (context === undefined) {
      const names = `${quoted(target.database)}, ${quoted(target.retentionPolicy)}`
      return this.#leaveOut(sequence, `the form cannot name its database or policy: ${names}`)
    }
    const isWhole = isOneLineEach(write.body, lineCount)
    const kept = isWhole ? { body: write.body, lineCount } : onOneLine(write.body)
    if (!isWhole) this.#leaveOutLines(sequence, lineCount - kept.lineCount)
    if (kept.lineCount === 0) return true
    const body = rescaleToNanoseconds(kept.body, target.precision)
    const head = `${this.#hasBegun ? '' : DML}${context === this.#context ? '' : context}`
    this.#hasBegun = true
    this.#context = context
    this.#writes++
    this.#lines += kept.lineCount
    this.#bytes += body.length
    if (head !== '') this.#unwritten.push(Buffer.from(head))
    this.#unwritten.push(body)
    this.#unwrittenBytes += head.length + body.length
    return this.#unwrittenBytes < WRITE_BYTES || (await this.#flush())
  }

  async #flush(): Promise<boolean> {
    const bytes = Buffer.concat(this.#unwritten)
    this.#unwritten = []
    this.#unwrittenBytes = 0
    return await this.#target.write(bytes)
  }

  #leaveOutStatement(sequence: number, text: string): true {
    return this.#leaveOut(sequence, `it is a statement: ${redactedStatement(text)}`)
  }

  #leaveOut(sequence: number, why: string): true {
    this.#leftOutWrites++
    this.#name(`record ${sequence} is left out: ${why}`)
    return true
  }

  #leaveOutLines(sequence: number, count: number): void {
    this.#leftOutLines += count
    const lines = renderCount(count, 'line')
    this.#name(`record ${sequence}: left out ${lines} with a newline in a string`)
  }

  #name(text: string): void {
    this.#named++
    if (this.#named <= NAMED_MAX) this.#io.stderr.write(`${text}\n`)
    if (this.#named === NAMED_MAX) this.#io.stderr.write('more of them are only counted\n')
  }
}

/** The lines that contain no newline. */
function onOneLine(body: Buffer): { readonly body: Buffer; readonly lineCount: number } {
  const lines: Buffer[] = []
  forEachLine(body, (start, end) => {
    const line = body.subarray(start, end)
    if (line.indexOf(NEWLINE) === line.length - 1) lines.push(line)
  })
  return { body: Buffer.concat(lines), lineCount: lines.length }
}
