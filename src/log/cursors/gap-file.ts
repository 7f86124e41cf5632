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
 * Promise: the lines are on the disk when `append` resolves. Limits: beyond FILE_MAX_BYTES the file
 * is renamed to `gaps.jsonl.1`, which replaces the previous file of that name.
 */

import { join } from 'node:path'
import { latin1 } from '../../line-protocol/bytes.ts'
import { forEachLine } from '../../line-protocol/lines/split.ts'
import { nsPer } from '../../line-protocol/precision.ts'
import { endingTimestamp } from '../../line-protocol/scan/timestamp.ts'
import { errorCode } from '../../std/errors.ts'
import type { Write } from '../../write/write.ts'
import { type FileSystem, type LogFile, writeWhole } from '../file-system.ts'

const NAME = 'gaps.jsonl'
const FILE_MAX_BYTES = 16 * 1024 * 1024

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

export class GapFile {
  readonly #files: FileSystem
  readonly #folder: string
  /** Appends run one at a time: each begins where the previous one ended. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: { readonly files: FileSystem; readonly folder: string }) {
    this.#files = options.files
    this.#folder = options.folder
  }

  /** Rejects with the system's error; then the caller must not give up the writes. */
  append(output: string, given: readonly GivenUp[], wallMs: number): Promise<void> {
    const time = new Date(wallMs).toISOString()
    const lines = gapsOf(given).map((gap) => `${JSON.stringify(render(time, output, gap))}\n`)
    const appended = this.#last.then(() => this.#append(lines.join('')))
    this.#last = appended.catch(() => {}) // The caller of `append` handles the error.
    return appended
  }

  async #append(lines: string): Promise<void> {
    const path = join(this.#folder, NAME)
    await using file = await this.#open(path)
    const size = await file.log.size()
    await writeWhole(file.log, Buffer.from(lines), size)
    await file.log.sync()
    if (size > FILE_MAX_BYTES) await this.#files.rename(path, `${path}.1`)
    await this.#files.syncFolder(this.#folder)
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
