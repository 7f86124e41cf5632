/**
 * A disk in memory that can lose power, for tests of the log on disk.
 *
 * It keeps a trace of all operations. From any prefix of the trace it builds states in which a real
 * disk may be after a power cut at that moment. Synced data is there. Of the rest, each sector of
 * 512 bytes, each change of length and each change of a name may have been carried out or not,
 * independently of all others; a test may require that names change in order, as with a journal. A
 * failed sync discards the written data, as on Linux. Folders themselves always exist. A function
 * that is called before each operation injects faults.
 */
import { dirname } from 'node:path'
import type { FileSystem, LogFile } from '../../src/log/file-system.ts'

const SECTOR_BYTES = 512

export type Operation =
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly length: number }
  | { readonly kind: 'sync'; readonly file: number }
  /** Unsynced data is discarded: no later sync puts it on the disk. */
  | { readonly kind: 'failed-sync'; readonly file: number }
  | { readonly kind: 'create'; readonly file: number; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'sync-folder'; readonly path: string }

export type CallName = 'open' | 'write' | 'read' | 'sync' | 'truncate' | 'rename' | 'unlink'

/** The injected fault: an error code, or a write of only this many bytes. */
export type Fault = { readonly code: string } | { readonly shortBytes: number } | undefined

export class SimulatedFileSystem implements FileSystem {
  /** File numbers by path. */
  #names: Map<string, number>
  #contents: Map<number, Buffer>
  readonly trace: Operation[] = []
  /** May be set at any time. `path` is the one by which the file was opened. */
  fault: (call: CallName, path: string) => Fault = () => undefined
  openFiles = 0
  #nextFile: number
  readonly #before: DiskState

  constructor(state: DiskState = { names: new Map(), contents: new Map() }) {
    this.#before = state
    this.#names = new Map(state.names)
    this.#contents = new Map(state.contents)
    this.#nextFile = Math.max(0, ...state.contents.keys()) + 1
  }

  /**
   * @param chooses whether an unsynced operation was carried out
   * @param names `in order`: a later change of a name was not carried out without the earlier ones
   */
  afterPowerCut(
    traceLength: number,
    chooses: () => boolean,
    names: 'in any order' | 'in order' = 'in any order',
  ): SimulatedFileSystem {
    const trace = this.trace.slice(0, traceLength)
    let isOver = false
    const choosesName = () => {
      isOver ||= names === 'in order' && !chooses()
      return names === 'in order' ? !isOver : chooses()
    }
    return new SimulatedFileSystem(rebuild(this.#before, trace, { chooses, choosesName }))
  }

  /**
   * The process dies, the machine does not: all data is there, and unsynced data remains unsynced.
   */
  afterKill(): SimulatedFileSystem {
    const next = new SimulatedFileSystem(this.#before)
    next.#names = new Map(this.#names)
    next.#contents = new Map(this.#contents)
    next.#nextFile = this.#nextFile
    next.trace.push(...this.trace)
    return next
  }

  names(): string[] {
    return [...this.#names.keys()].sort()
  }

  content(path: string): Buffer {
    return this.#contents.get(this.fileNumber(path)) ?? Buffer.alloc(0)
  }

  /** Identity of the file; it stays the same after a rename, and no two files share one. */
  fileNumber(path: string): number {
    const file = this.#names.get(path)
    if (file === undefined) throw systemError('ENOENT', path)
    return file
  }

  /** Adds a file whose data is on the disk already. */
  put(path: string, content: Buffer): void {
    const file = this.#nextFile++
    this.#names.set(path, file)
    this.#contents.set(file, Buffer.from(content))
  }

  /** Removes a file, as somebody from outside does. */
  remove(path: string): void {
    this.#names.delete(path)
  }

  async open(path: string, mode: 'read' | 'update' | 'create' | 'replace'): Promise<LogFile> {
    this.#check('open', path)
    let file = this.#names.get(path)
    if (mode === 'create' && file !== undefined) throw systemError('EEXIST', path)
    if (file === undefined) {
      if (mode === 'read' || mode === 'update') throw systemError('ENOENT', path)
      file = this.#nextFile++
      this.#names.set(path, file)
      this.#contents.set(file, Buffer.alloc(0))
      this.trace.push({ kind: 'create', file, path })
    } else if (mode === 'replace') {
      this.#apply({ kind: 'truncate', file, length: 0 })
    }
    this.openFiles++
    return this.#handle(path, file)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#check('rename', from)
    const file = this.#names.get(from)
    if (file === undefined) throw systemError('ENOENT', from)
    this.#names.set(to, file)
    this.#names.delete(from)
    this.trace.push({ kind: 'rename', from, to })
  }

  async unlink(path: string): Promise<void> {
    this.#check('unlink', path)
    if (!this.#names.delete(path)) throw systemError('ENOENT', path)
    this.trace.push({ kind: 'unlink', path })
  }

  async makeFolder(): Promise<void> {}

  async makeSubfolder(): Promise<void> {}

  async look(path: string): Promise<{ identity: string; bytes: number } | undefined> {
    return this.lookAtOnce(path)
  }

  lookAtOnce(path: string): { identity: string; bytes: number } | undefined {
    const file = this.#names.get(path)
    if (file === undefined) return undefined
    return { identity: String(file), bytes: this.#contents.get(file)?.length ?? 0 }
  }

  async list(folder: string): Promise<readonly { name: string; isFile: boolean }[]> {
    return this.names()
      .filter((path) => dirname(path) === folder)
      .map((path) => ({ name: path.slice(folder.length + 1), isFile: true }))
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 1e12, totalBytes: 1e12 }
  }

  async syncFolder(path: string): Promise<void> {
    this.#check('sync', path)
    this.trace.push({ kind: 'sync-folder', path })
  }

  #handle(path: string, file: number): LogFile {
    return {
      write: async (bytes, at) => {
        const fault = this.#check('write', path)
        const short = fault !== undefined && 'shortBytes' in fault ? fault.shortBytes : bytes.length
        const written = Buffer.from(bytes.subarray(0, short))
        this.#apply({ kind: 'write', file, at, bytes: written })
        return written.length
      },
      read: async (into, at) => {
        this.#check('read', path)
        return (this.#contents.get(file) ?? into.subarray(0, 0)).copy(into, 0, at)
      },
      size: async () => this.#contents.get(file)?.length ?? 0,
      identity: async () => String(file),
      truncate: async (length) => {
        this.#check('truncate', path)
        this.#apply({ kind: 'truncate', file, length })
      },
      sync: async () => {
        try {
          this.#check('sync', path)
        } catch (error) {
          this.trace.push({ kind: 'failed-sync', file })
          throw error
        }
        // Takes one turn of the event loop, in which other work continues, or the process dies.
        await new Promise((resolve) => setImmediate(resolve))
        this.trace.push({ kind: 'sync', file })
      },
      close: async () => {
        this.openFiles--
      },
    }
  }

  #check(call: CallName, path: string): Fault {
    const fault = this.fault(call, path)
    if (fault !== undefined && 'code' in fault) throw systemError(fault.code, path)
    return fault
  }

  #apply(operation: Extract<Operation, { kind: 'write' | 'truncate' }>): void {
    this.trace.push(operation)
    const { file } = operation
    this.#contents.set(file, applied(this.#contents.get(file) ?? Buffer.alloc(0), operation))
  }
}

interface DiskState {
  readonly names: ReadonlyMap<string, number>
  readonly contents: ReadonlyMap<number, Buffer>
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

function applied(
  content: Buffer,
  operation: Extract<Operation, { kind: 'write' | 'truncate' }>,
): Buffer {
  if (operation.kind === 'write') {
    const { at, bytes } = operation
    const end = at + bytes.length
    const next = end > content.length ? resized(content, end) : Buffer.from(content)
    bytes.copy(next, at)
    return next
  }
  return resized(content, operation.length)
}

function resized(content: Buffer, length: number): Buffer {
  const next = Buffer.alloc(length)
  content.copy(next)
  return next
}

function rebuild(
  before: DiskState,
  trace: readonly Operation[],
  { chooses, choosesName }: { chooses: () => boolean; choosesName: () => boolean },
): DiskState {
  const names = new Map(before.names)
  const contents = new Map(before.contents)
  const synced = findSynced(trace)
  for (const [index, operation] of trace.entries()) {
    const isSynced = synced[index] === true
    switch (operation.kind) {
      case 'create':
        contents.set(operation.file, contents.get(operation.file) ?? Buffer.alloc(0))
        if (isSynced || choosesName()) names.set(operation.path, operation.file)
        break
      case 'unlink':
        if (isSynced || choosesName()) names.delete(operation.path)
        break
      case 'rename':
        if (isSynced || choosesName()) rename(names, operation)
        break
      case 'truncate':
      case 'write': {
        const content = contents.get(operation.file) ?? Buffer.alloc(0)
        const done = isSynced ? [operation] : partly(operation, chooses)
        contents.set(operation.file, done.reduce(applied, content))
        break
      }
    }
  }
  return { names, contents }
}

function rename(names: Map<string, number>, { from, to }: { from: string; to: string }): void {
  const file = names.get(from)
  // If the creation was lost, there is nothing to rename.
  if (file === undefined) return
  names.set(to, file)
  names.delete(from)
}

/** For each operation, whether a later sync made it durable. */
function findSynced(trace: readonly Operation[]): boolean[] {
  const synced = new Set<number | string>()
  const writesSynced = new Set<number>()
  const wasSynced = (operation: Operation): boolean => {
    switch (operation.kind) {
      case 'sync':
        synced.add(operation.file)
        writesSynced.add(operation.file)
        return true
      case 'failed-sync':
        writesSynced.delete(operation.file)
        return true
      case 'sync-folder':
        synced.add(operation.path)
        return true
      case 'write':
        return writesSynced.has(operation.file)
      case 'truncate':
        return synced.has(operation.file)
      case 'create':
      case 'unlink':
        return synced.has(dirname(operation.path))
      case 'rename':
        // A rename between folders: either folder may have it.
        return synced.has(dirname(operation.to)) || synced.has(dirname(operation.from))
    }
  }
  return trace.toReversed().map(wasSynced).toReversed()
}

/** The sectors of a write that were carried out. */
function partly(
  operation: Extract<Operation, { kind: 'write' | 'truncate' }>,
  chooses: () => boolean,
): Extract<Operation, { kind: 'write' | 'truncate' }>[] {
  if (operation.kind === 'truncate') return chooses() ? [operation] : []
  const { at, bytes, file, kind } = operation
  const parts = []
  for (let from = at; from < at + bytes.length; ) {
    const to = Math.min((Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES, at + bytes.length)
    if (chooses()) parts.push({ kind, file, at: from, bytes: bytes.subarray(from - at, to - at) })
    from = to
  }
  return parts
}
