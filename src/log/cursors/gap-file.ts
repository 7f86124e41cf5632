/**
 * The record of the writes that outputs gave up, for operators and for repairs: one JSON object a
 * line.
 *
 *     <log-dir>/gaps.jsonl
 *     {"time":"2026-11-24T16:00:00.000Z","output":"b","database":"db","retentionPolicy":"",
 *      "writes":120,"lines":4800,"fromNs":"1700000000000000000","toNs":"1700000060000000000",
 *      "fromSequence":12,"toSequence":131}
 *
 * Each time that an output gives up writes, one line for each database and retention policy.
 * `fromNs` and `toNs` are the smallest and largest timestamp of the lines.
 *
 * Promise: the lines are on the disk when `append` resolves. A file that somebody has removed or
 * cut short gets the lines of this process again: nothing else says what an output lacks. Earlier
 * lines are lost, which is logged.
 *
 * Limits: beyond FILE_MAX_BYTES the file is renamed to `gaps.jsonl.1`, which replaces the previous
 * file of that name. RECORDED_MAX_BYTES of lines are kept in memory for a file that is lost. Lines
 * in the renamed file are written again only if both files are lost: operators may move that one.
 */

import { join } from 'node:path'
import { latin1 } from '../../line-protocol/bytes.ts'
import { forEachLine } from '../../line-protocol/lines/split.ts'
import { nsPer } from '../../line-protocol/precision.ts'
import { endingTimestamp } from '../../line-protocol/scan/timestamp.ts'
import { errorCode, errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { Write } from '../../write/write.ts'
import { type FileSystem, type LogFile, writeWhole } from '../file-system.ts'

const NAME = 'gaps.jsonl'
const FILE_MAX_BYTES = 16 * 1024 * 1024
const RECORDED_MAX_BYTES = 256 * 1024

/** A write that an output has given up. */
export interface GivenUp {
  readonly sequence: number
  readonly write: Write
}

interface Gap {
  readonly database: string
  readonly retentionPolicy: string
  writes: number
  lines: number
  fromNs: bigint | undefined
  toNs: bigint | undefined
  readonly fromSequence: number
  toSequence: number
}

export interface GapFileOptions {
  readonly files: FileSystem
  /** The folder of the log. */
  readonly folder: string
  readonly logger: Logger
}

export class GapFile {
  readonly #files: FileSystem
  readonly #folder: string
  readonly #logger: Logger
  /** Appends run one at a time: each begins where the previous one ended. */
  #last: Promise<unknown>
  /** Size of the file as this process has left it. */
  #bytes = 0
  /** The lines of this process. */
  #recorded: string[] = []
  #recordedBytes = 0
  /** The file has lines that are not in `#recorded`. */
  #hasMore = false
  /** Count of the first lines of `#recorded` that are in the renamed file. */
  #renamedCount = 0
  /** Size of the renamed file as this process has left it. */
  #renamedBytes = 0

  constructor({ files, folder, logger }: GapFileOptions) {
    this.#files = files
    this.#folder = folder
    this.#logger = logger
    this.#last = this.#lookAtFormer().catch(() => {}) // The first append meets the error.
  }

  /** Rejects with the system's error; then the caller must not give up the writes. */
  append(output: string, given: readonly GivenUp[], wallMs: number): Promise<void> {
    const time = new Date(wallMs).toISOString()
    const lines = gapsOf(given).map((gap) => `${JSON.stringify(render(time, output, gap))}\n`)
    return this.#enqueue(() => this.#append(lines))
  }

  /** The log's folder was lost and is there again: writes what is missing. Never rejects. */
  async restore(): Promise<void> {
    try {
      await this.#enqueue(async () => {
        if (await this.#isGone(await this.#sizeOf(this.#path))) await this.#append([])
      })
    } catch (error) {
      const text = `log: ${NAME} is gone, and cannot be written again: ${errorText(error)}`
      this.#logger.error({ folder: this.#folder }, `${text}; tried again with the next gap`)
    }
  }

  get #path(): string {
    return join(this.#folder, NAME)
  }

  get #renamedPath(): string {
    return `${this.#path}.1`
  }

  #enqueue(append: () => Promise<void>): Promise<void> {
    const appended = this.#last.then(append)
    this.#last = appended.catch(() => {}) // The caller handles the error.
    return appended
  }

  async #lookAtFormer(): Promise<void> {
    this.#bytes = await this.#sizeOf(this.#path)
    this.#hasMore = this.#bytes > 0
  }

  async #append(lines: readonly string[]): Promise<void> {
    await using file = await this.#open(this.#path)
    const size = await file.log.size()
    const isGone = await this.#isGone(size)
    const isRenamedGone = isGone && (await this.#isRenamedGone())
    const missing = isGone ? this.#recorded.slice(isRenamedGone ? 0 : this.#renamedCount) : []
    // What is left of a file that was cut short may end within a line.
    const left = isGone && size > 0 ? '\n' : ''
    const text = Buffer.from([left, ...missing, ...lines].join(''))
    await writeWhole(file.log, text, size)
    await file.log.sync()
    const isFull = size > FILE_MAX_BYTES
    if (isFull) await this.#files.rename(this.#path, this.#renamedPath)
    await this.#files.syncFolder(this.#folder)
    this.#bytes = size + text.length
    if (isRenamedGone) this.#forgetRenamed()
    if (isGone) this.#tellGone(missing.length)
    this.#remember(lines)
    if (isFull) this.#noteRenamed()
  }

  /** @param size of the file as it is now */
  async #isGone(size: number): Promise<boolean> {
    // Right after the renaming there is no file that could be missed.
    return size < this.#bytes || (this.#bytes === 0 && (await this.#isRenamedGone()))
  }

  async #isRenamedGone(): Promise<boolean> {
    if (this.#renamedCount === 0) return false
    return (await this.#sizeOf(this.#renamedPath)) < this.#renamedBytes
  }

  async #sizeOf(path: string): Promise<number> {
    return (await this.#files.look(path))?.bytes ?? 0
  }

  #noteRenamed(): void {
    this.#renamedCount = this.#recorded.length
    this.#renamedBytes = this.#bytes
    this.#bytes = 0
    this.#hasMore = false
  }

  /** Both files were lost: the new one has all lines that are kept. */
  #forgetRenamed(): void {
    this.#renamedCount = 0
    this.#hasMore = true
  }

  #remember(lines: readonly string[]): void {
    this.#recorded.push(...lines)
    for (const line of lines) this.#recordedBytes += line.length
    const keptFrom = this.#recorded.findIndex((line) => {
      if (this.#recordedBytes <= RECORDED_MAX_BYTES) return true
      this.#recordedBytes -= line.length
      return false
    })
    const dropped = keptFrom < 0 ? this.#recorded.length : keptFrom
    this.#recorded = this.#recorded.slice(dropped)
    if (dropped > this.#renamedCount) this.#hasMore = true
    this.#renamedCount = Math.max(0, this.#renamedCount - dropped)
  }

  #tellGone(writtenCount: number): void {
    const gaps = renderCount(writtenCount, 'gap')
    const lost = this.#hasMore ? '; those before are lost' : ''
    this.#hasMore = false
    const text = `log: ${NAME} was gone or cut short; the last ${gaps} of this process`
    this.#logger.error({ folder: this.#folder }, `${text} are written again${lost}`)
  }

  async #open(path: string): Promise<AsyncDisposable & { readonly log: LogFile }> {
    let log: LogFile
    try {
      log = await this.#files.open(path, 'update')
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      log = await this.#files.open(path, 'create')
    }
    return { log, [Symbol.asyncDispose]: () => log.close() }
  }
}

function gapsOf(given: readonly GivenUp[]): Gap[] {
  const gaps = new Map<string, Gap>()
  for (const { sequence, write } of given) {
    const { database, retentionPolicy } = write.target
    const key = JSON.stringify([database, retentionPolicy])
    let gap = gaps.get(key)
    if (gap === undefined) {
      const empty = { writes: 0, lines: 0, fromNs: undefined, toNs: undefined }
      gap = { database, retentionPolicy, ...empty, fromSequence: sequence, toSequence: sequence }
      gaps.set(key, gap)
    }
    gap.writes++
    gap.lines += write.lineCount
    gap.toSequence = sequence
    if (write.kind === 'lines') widen(gap, write)
  }
  return [...gaps.values()]
}

function widen(gap: Gap, { body, target }: Write): void {
  const unit = nsPer(target.precision)
  forEachLine(body, (start, lineEnd) => {
    const { from, end } = endingTimestamp(body, start, lineEnd)
    const timeNs = BigInt(latin1(body, from, end)) * unit
    if (gap.fromNs === undefined || timeNs < gap.fromNs) gap.fromNs = timeNs
    if (gap.toNs === undefined || timeNs > gap.toNs) gap.toNs = timeNs
  })
}

function render(time: string, output: string, gap: Gap): Record<string, unknown> {
  const { fromNs, toNs, ...rest } = gap
  return { time, output, ...rest, fromNs: fromNs?.toString(), toNs: toNs?.toString() }
}
