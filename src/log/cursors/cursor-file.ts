/**
 * The cursor of an output on disk: one small file, which each save replaces as a whole.
 *
 *     cursors/<output>.cursor      the name percent-encoded, or its SHA-256 if that is too long
 *
 *     line-relay cursor 1 5d2f90aa\n          format version, CRC32 of all that follows
 *     {"output":"a","doneBelow":7,"done":[[9,12]],"files":[{"file":"7-179…","bytes":4096}]}\n
 *
 * `doneBelow`: all records with a lower sequence number are done. `done`: the records in these
 * ranges (both ends included, over all streams) are done as well, so that one stream that retries
 * or is on hold does not make the others send gigabytes again. `since` (optional): records with a
 * lower number count as done, though the output never got them. `files`: how far an output that
 * writes to files has written each file (file-checkpoint.ts); older programs ignore it.
 * `statements`: owed statements that count as done (owed-statements.ts); version 0.1 loses them.
 *
 * Promise: a lost or outdated cursor only makes the output send records again. So a problem with
 * the file is a note, never an error. A resolved save is on the disk, and so is its file name.
 *
 * Limits: RANGES_MAX ranges. Records of further ranges are sent again; where that would be wrong,
 * the cursor is not saved (output-cursor.ts).
 *
 * Not here: when to save, and the order of saving and trimming (the log's owner).
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import { type FileSystem, readWhole, writeWhole } from '../file-system.ts'
import type { SequenceRange } from './done-ranges.ts'
import type { FileExtent } from './file-checkpoint.ts'
import { type OwedStatement, parseOwedStatement } from './owed-statements.ts'

const ENDING = '.cursor'
const NEW_ENDING = '.cursor.new'
const VERSION = 1
const HEAD = /^line-relay cursor (\d{1,9}) ([0-9a-f]{8})\n/
export const RANGES_MAX = 100_000
const NAME_MAX_CHARS = 200
/** Well above the size of RANGES_MAX ranges; a larger file is not a cursor. */
const FILE_MAX_BYTES = 64 * 1024 * 1024

export interface Cursor {
  readonly output: string
  readonly doneBelow: number
  /** Ranges above `doneBelow`, over all streams; ascending and not adjacent. */
  readonly done: readonly SequenceRange[]
  /** For an output that writes to files: the file lengths that match the done records. */
  readonly files: readonly FileExtent[]
  /** Owed statements that count as done and may be in no segment any more; absent = none. */
  readonly statements?: readonly OwedStatement[] | undefined
  /** Records with a lower number precede this output and were never for it; absent = 0. */
  readonly since?: number
}

export type LoadedCursor =
  | { readonly kind: 'loaded'; readonly cursor: Cursor }
  | { readonly kind: 'missing' }
  /** The output sends everything again that the log still holds. */
  | { readonly kind: 'unreadable'; readonly why: string }

export type SaveResult =
  | { readonly kind: 'saved' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** The highest sequence number in the cursor; the next append must get a higher one. */
export function highestSequence({ doneBelow, done }: Cursor): number {
  return done.reduce((highest, [, to]) => Math.max(highest, to), doneBelow - 1)
}

export interface CursorFileOptions {
  readonly files: FileSystem
  /** The folder of all cursors; made by the first save. */
  readonly folder: string
  readonly output: string
  /** Whether this process still owns the folder; asked before each save. */
  readonly isOwner: () => Promise<boolean>
}

export class CursorFile {
  readonly #options: CursorFileOptions
  readonly #path: string
  #last: Promise<SaveResult> = Promise.resolve({ kind: 'saved' })

  constructor(options: CursorFileOptions) {
    this.#options = options
    this.#path = join(options.folder, cursorName(options.output))
  }

  /** Never rejects. */
  async load(): Promise<LoadedCursor> {
    const { files, output } = this.#options
    const loaded = await loadCursor(files, this.#path)
    if (loaded.kind !== 'loaded' || loaded.cursor.output === output) return loaded
    return { kind: 'unreadable', why: `it is the cursor of "${loaded.cursor.output}"` }
  }

  /**
   * Replaces the file with the current state of `cursor`. Saves run one at a time, in the order of
   * the calls. Never rejects.
   */
  save(cursor: Cursor): Promise<SaveResult> {
    // Render now: the cursor may change before its turn to save. If `doneBelow` were older
    // than the ranges, an older record would be sent again, but not the newer record that had
    // overwritten its points.
    const text = renderCursor(cursor)
    this.#last = this.#last.then(() => this.#replace(text))
    return this.#last
  }

  async #replace(text: string): Promise<SaveResult> {
    const { files, folder, isOwner } = this.#options
    const newPath = this.#path.slice(0, -ENDING.length) + NEW_ENDING
    try {
      if (!(await isOwner())) {
        throw new RelayError('RELAY_LOG_LOCKED', `${folder} was taken over by another process`)
      }
      await files.makeSubfolder(folder)
      const file = await files.open(newPath, 'replace')
      try {
        await writeWhole(file, Buffer.from(text), 0)
        await file.sync()
      } finally {
        await file.close()
      }
      await files.rename(newPath, this.#path)
      await files.syncFolder(folder)
      return { kind: 'saved' }
    } catch (error) {
      return { kind: 'failed', error }
    }
  }
}

/**
 * Loads all cursors in the folder, including those of outputs that are not configured any more.
 *
 * @returns the readable cursors, and a note for each unreadable file
 */
export async function loadAllCursors(
  files: FileSystem,
  folder: string,
): Promise<{ readonly cursors: readonly Cursor[]; readonly notes: readonly string[] }> {
  const cursors: Cursor[] = []
  const notes: string[] = []
  for (const { name } of await listFolder(files, folder)) {
    if (!name.endsWith(ENDING)) continue
    const loaded = await loadCursor(files, join(folder, name))
    if (loaded.kind === 'loaded') cursors.push(loaded.cursor)
    if (loaded.kind === 'unreadable') notes.push(`${join(folder, name)}: ${loaded.why}`)
  }
  return { cursors, notes }
}

/** The file name of an output's cursor; different for any two outputs. */
export function cursorName(output: string): string {
  return encodedOutputName(output) + ENDING
}

/** The output's name, encoded for file and folder names; different for any two outputs. */
export function encodedOutputName(output: string): string {
  if (output.isWellFormed() && output.length <= NAME_MAX_CHARS) {
    const encoded = encodeURIComponent(output).replace(/[.!~*'()]/g, percentEncoded)
    if (encoded.length <= NAME_MAX_CHARS) return encoded
  }
  // No percent-encoded name contains '~'.
  return `~${createHash('sha256').update(output).digest('hex')}`
}

export function renderCursor(cursor: Cursor): string {
  const { output, doneBelow, done, files, since, statements } = cursor
  const fields = { output, doneBelow, done: done.slice(0, RANGES_MAX), files, since, statements }
  const text = `${JSON.stringify(fields)}\n`
  return `line-relay cursor ${VERSION} ${crc32(text).toString(16).padStart(8, '0')}\n${text}`
}

/** Pure. @returns the reason, as a text, when it is not an intact cursor of this version */
export function parseCursor(text: string): Cursor | string {
  const head = HEAD.exec(text)
  if (head === null) return 'it does not begin like a cursor'
  const [{ length }, version, crc = ''] = head
  const json = text.slice(length)
  if (crc32(json) !== Number.parseInt(crc, 16)) return 'its checksum does not match'
  if (Number(version) !== VERSION) return `it has format ${version}, of a newer version`
  return toCursor(JSON.parse(json)) ?? 'it is not a cursor'
}

function toCursor(json: unknown): Cursor | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  if (!('output' in json && 'doneBelow' in json && 'done' in json)) return undefined
  const { output, doneBelow } = json
  if (typeof output !== 'string' || !isSequence(doneBelow)) return undefined
  const done = Array.isArray(json.done) ? json.done.map(toRange) : [undefined]
  if (!done.every((range) => range !== undefined)) return undefined
  const files = 'files' in json && Array.isArray(json.files) ? json.files.map(toExtent) : []
  // Ignore unreadable extents: their files are not cut. Lines may come twice, and none is lost.
  const known = files.filter((extent) => extent !== undefined)
  const since = 'since' in json && isSequence(json.since) ? { since: json.since } : {}
  return { output, doneBelow, done, files: known, ...since, ...statementsOf(json) }
}

function statementsOf(json: object): Pick<Cursor, 'statements'> {
  if (!('statements' in json && Array.isArray(json.statements))) return {}
  const statements = json.statements.map(parseOwedStatement)
  return { statements: statements.filter((statement) => statement !== undefined) }
}

function toExtent(json: unknown): FileExtent | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  if (!('file' in json && 'bytes' in json)) return undefined
  const { file, bytes } = json
  return typeof file === 'string' && isSequence(bytes) ? { file, bytes } : undefined
}

function toRange(json: unknown): SequenceRange | undefined {
  if (!Array.isArray(json)) return undefined
  const [from, to] = json
  return isSequence(from) && isSequence(to) && from <= to ? [from, to] : undefined
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

async function loadCursor(files: FileSystem, path: string): Promise<LoadedCursor> {
  try {
    const file = await files.open(path, 'read')
    try {
      const bytes = await file.size()
      if (bytes > FILE_MAX_BYTES) return { kind: 'unreadable', why: 'it is too large' }
      const content = await readWhole(file, Buffer.alloc(bytes), 0)
      const cursor = parseCursor(content.toString())
      if (typeof cursor === 'string') return { kind: 'unreadable', why: cursor }
      return { kind: 'loaded', cursor }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'missing' }
    return { kind: 'unreadable', why: errorText(error) }
  }
}

async function listFolder(files: FileSystem, folder: string): ReturnType<FileSystem['list']> {
  try {
    return await files.list(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

function percentEncoded(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}
