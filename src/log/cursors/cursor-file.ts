/**
 * An output's place in the log, on disk: one small file, always replaced whole.
 *
 *     cursors/<output>.cursor      the name percent-encoded, or its SHA-256 where that is too long
 *
 *     line-relay cursor 1 5d2f90aa\n          format version, CRC32 of all that follows
 *     {"output":"a","doneBelow":7,"done":[[9,12]],"files":[{"file":"7-179…","bytes":4096}]}\n
 *
 * `doneBelow`: all records with a smaller sequence number are done. `done`: the records in these
 * ranges (both ends included, over all streams) are done as well, so that one stream that retries
 * or holds does not make the others send gigabytes again. `since`, where it stands: what is below
 * counts as done though the output never had it. `files`: of an output that writes to files, how
 * far they are written (file-extent.ts); an older program passes it over. `statements`: those
 * that are owed and no segment has any more (owed-statements.ts); 0.1 loses them.
 *
 * Promise: losing a cursor, or having an older one, only sends again. So whatever is wrong with the
 * file is a note and never an error. A save is on the disk when it resolves, name and all.
 *
 * Limits: RANGES_MAX ranges; the rest is sent again, or not saved at all where that would be wrong
 * (place.ts).
 *
 * Not here: when to save, and the order of saving and trimming (the log's owner).
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import { type FileSystem, readWhole, writeWhole } from '../file-system.ts'
import type { SequenceRange } from './done-ranges.ts'
import type { FileExtent } from './file-extent.ts'
import { type OwedStatement, parseOwedStatement } from './owed-statements.ts'

const ENDING = '.cursor'
const NEW_ENDING = '.cursor.new'
const VERSION = 1
const HEAD = /^line-relay cursor (\d{1,9}) ([0-9a-f]{8})\n/
export const RANGES_MAX = 100_000
const NAME_MAX_CHARS = 200
/** Well above what RANGES_MAX takes; a larger file is not ours. */
const FILE_MAX_BYTES = 64 * 1024 * 1024

export interface Cursor {
  readonly output: string
  readonly doneBelow: number
  /** Above `doneBelow`, over all streams; rising, apart from each other. */
  readonly done: readonly SequenceRange[]
  /** Of an output that writes to files: what goes with the records that are done. */
  readonly files: readonly FileExtent[]
  /** Owed, and in no segment any more; absent = none. */
  readonly statements?: readonly OwedStatement[] | undefined
  /** Records below it were never for this output, which was new then; absent = 0. */
  readonly since?: number
}

export type LoadedCursor =
  | { readonly kind: 'loaded'; readonly cursor: Cursor }
  | { readonly kind: 'missing' }
  /** All that the log still has is sent again. */
  | { readonly kind: 'unreadable'; readonly why: string }

export type SaveResult =
  | { readonly kind: 'saved' }
  | { readonly kind: 'failed'; readonly error: unknown }

/** The highest sequence number that the cursor knows of; the next one must be above it. */
export function highestSequence({ doneBelow, done }: Cursor): number {
  return done.reduce((highest, [, to]) => Math.max(highest, to), doneBelow - 1)
}

export interface CursorFileOptions {
  readonly files: FileSystem
  /** The folder of all cursors; made by the first save. */
  readonly folder: string
  readonly output: string
  /** Asked before each save: whether the folder is still ours. */
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
   * Replaces the file by the cursor as it is now. Saves one after the other, in the order of the
   * calls; never rejects.
   */
  save(cursor: Cursor): Promise<SaveResult> {
    // At once: with ranges that are newer than `doneBelow` an older record would be sent again and
    // a newer one that has overwritten it would not.
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
 * All cursors in the folder, also those of outputs that the relay has no more.
 *
 * @returns the readable ones, and a note for each of the others
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

/** The file of an output's cursor. No two outputs have the same. */
export function cursorName(output: string): string {
  return encodedOutputName(output) + ENDING
}

/** What stands for an output in the names of files and folders. No two outputs have the same. */
export function encodedOutputName(output: string): string {
  if (output.isWellFormed() && output.length <= NAME_MAX_CHARS) {
    const encoded = encodeURIComponent(output).replace(/[.!~*'()]/g, percentEncoded)
    if (encoded.length <= NAME_MAX_CHARS) return encoded
  }
  // '~' stands in no encoded name.
  return `~${createHash('sha256').update(output).digest('hex')}`
}

export function renderCursor(cursor: Cursor): string {
  const { output, doneBelow, done, files, since, statements } = cursor
  const fields = { output, doneBelow, done: done.slice(0, RANGES_MAX), files, since, statements }
  const text = `${JSON.stringify(fields)}\n`
  return `line-relay cursor ${VERSION} ${crc32(text).toString(16).padStart(8, '0')}\n${text}`
}

/** Pure. @returns why not, as a text, when it is not a whole cursor of this version */
export function parseCursor(text: string): Cursor | string {
  const head = HEAD.exec(text)
  if (head === null) return 'it does not begin as a cursor does'
  const [{ length }, version, crc = ''] = head
  const json = text.slice(length)
  if (crc32(json) !== Number.parseInt(crc, 16)) return 'its checksum does not fit'
  if (Number(version) !== VERSION) return `it is of format ${version}, of a newer version`
  return toCursor(JSON.parse(json)) ?? 'it is not laid out as a cursor is'
}

function toCursor(json: unknown): Cursor | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  if (!('output' in json && 'doneBelow' in json && 'done' in json)) return undefined
  const { output, doneBelow } = json
  if (typeof output !== 'string' || !isSequence(doneBelow)) return undefined
  const done = Array.isArray(json.done) ? json.done.map(toRange) : [undefined]
  if (!done.every((range) => range !== undefined)) return undefined
  const files = 'files' in json && Array.isArray(json.files) ? json.files.map(toExtent) : []
  // What cannot be told need not be cut: lines come twice then, and none is lost.
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
