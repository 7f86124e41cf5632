/**
 * A file that changes as long as its owner lives: what the socket cannot tell from another machine.
 *
 *     <folder>/lock                  rewritten in place every BEAT_EVERY_MS (lock-file.ts)
 *
 * Whoever takes the folder over replaces the file by another. So the owner has lost the folder when
 * its file is not at its path any more, which one look tells (`isOwner`); why is found out then:
 *
 *     the folder is not at its path     gone: may come back, nothing is written to it until then
 *     a foreign token                   taken over, for good
 *     no file, or one that is broken    somebody has removed it: it is made again, by a link, so
 *                                       that it never replaces that of another who was faster
 *
 * On a full disk the file of a dead owner is used again, in place; where there is none either, the
 * socket alone is the lock until there is room.
 */

import { constants } from 'node:fs'
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { identityOf, NO_ROOM, nodeFileSystem } from '../file-system.ts'
import { lockPath, newLockPath, type Owner, readOwner, writeOwner } from './lock-file.ts'

export const BEAT_EVERY_MS = 1_000
/** Longer than from beat to beat, and shorter than anybody watches (folder-lock.ts). */
const FRESH_MS = 1.5 * BEAT_EVERY_MS
const { O_RDWR, O_CREAT, O_EXCL } = constants
const FILE_MODE = 0o600

/** `gone`: the folder is not at its path. `taken`: another process has it, for good. */
export type LockState = 'ours' | 'gone' | 'taken'

export interface HeartbeatOptions {
  readonly folder: string
  readonly owner: Omit<Owner, 'beat' | 'released'>
  readonly clock: Clock
  /** Whether the folder is the one that was locked. Never rejects. */
  readonly isFolderThere: () => Promise<boolean>
  /** With every beat that finds the folder ours. Never rejects. */
  readonly onBeat: () => Promise<void>
  /** The folder was lost; more than once when it comes back between. */
  readonly onLost: (state: Exclude<LockState, 'ours'>) => void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  /** None while there is no room for the file. */
  #file: { readonly handle: FileHandle; readonly identity: string } | undefined
  #timer: Timer | undefined
  #beating: Promise<void> = Promise.resolve()
  #looking: Promise<boolean> | undefined
  #beat = 0
  #seenAtMs = Number.NEGATIVE_INFINITY
  #state: LockState = 'ours'
  #isClosed = false

  private constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Claims the folder: whatever the file was, from now on it is ours. */
  static async open(options: HeartbeatOptions): Promise<Heartbeat> {
    const heartbeat = new Heartbeat(options)
    try {
      await heartbeat.#make(rename)
    } catch (error) {
      const isWithoutRoom = NO_ROOM.includes(errorCode(error))
      if (!isWithoutRoom || !(await heartbeat.#makeWithoutRoom())) throw error
    }
    heartbeat.#schedule()
    return heartbeat
  }

  get state(): LockState {
    return this.#state
  }

  /** Whether the folder is at its path, and ours. One look at a file as a rule; never rejects. */
  async isOwner(): Promise<boolean> {
    if (this.#state === 'taken' || this.#isClosed) return false
    if (await this.#isFileThere()) {
      this.#seenAtMs = this.#options.clock.monotonicMs()
      this.#state = 'ours'
      return true
    }
    this.#looking ??= this.#lookCloser().finally(() => {
      this.#looking = undefined
    })
    const isOurs = await this.#looking
    if (isOurs) this.#state = 'ours'
    return isOurs
  }

  /**
   * The same, right after the folder's file system has answered (`lookAtOnce`); false = not for
   * sure.
   */
  isOwnerNow(): boolean {
    const { folder } = this.#options
    if (this.#file === undefined || this.#state !== 'ours' || this.#isClosed) return false
    const isThere = nodeFileSystem.lookAtOnce(lockPath(folder))?.identity === this.#file.identity
    if (isThere) this.#seenAtMs = this.#options.clock.monotonicMs()
    return isThere
  }

  /** It was ours so short a time ago that whoever takes it now is still watching. */
  get isFresh(): boolean {
    return this.#options.clock.monotonicMs() - this.#seenAtMs < FRESH_MS
  }

  /** Makes the file in a folder that has come to the path of the one that is gone. */
  async moveIn(): Promise<boolean> {
    return (await this.#makeAgain()) && (await this.isOwner())
  }

  /** Stops, and notes in the file that the folder was given back, if it is ours. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#beating
    const isOurs = this.#state === 'ours' && (await this.#isFileThere())
    this.#isClosed = true
    if (isOurs && (await this.#isTokenOurs())) await this.#write(true).catch(() => {})
    await this.#file?.handle.close()
  }

  #schedule(): void {
    const beat = async () => {
      // The token as well: on a full disk another one writes its own into the same file.
      if ((await this.isOwner()) && (await this.#isTokenOurs())) {
        // A beat that cannot be written is tried again; the socket goes on answering.
        await this.#write(false).catch(() => {})
        await this.#options.onBeat()
      }
      if (this.#state !== 'taken' && !this.#isClosed) this.#schedule()
    }
    const fire = () => {
      this.#beating = beat()
    }
    this.#timer = this.#options.clock.startTimer(BEAT_EVERY_MS, fire, { isBackground: true })
  }

  async #isFileThere(): Promise<boolean> {
    const { folder } = this.#options
    if (this.#file === undefined) return false
    try {
      return identityOf(await stat(lockPath(folder), { bigint: true })) === this.#file.identity
    } catch {
      return false
    }
  }

  async #lookCloser(): Promise<boolean> {
    if (await this.#options.isFolderThere()) return await this.#makeAgain()
    this.#lose('gone')
    return false
  }

  /** A file that cannot be read is no sign of another owner. */
  async #isTokenOurs(): Promise<boolean> {
    const { folder, owner } = this.#options
    const found = await readOwner(folder).catch(() => undefined)
    if (found === undefined || found.token === owner.token) return true
    this.#lose('taken')
    return false
  }

  #lose(state: Exclude<LockState, 'ours'>): void {
    if (this.#state === state || this.#state === 'taken') return
    this.#state = state
    this.#options.onLost(state)
  }

  /** @returns false when another has the folder, or may get it */
  async #makeAgain(): Promise<boolean> {
    if (!(await this.#isTokenOurs())) return false
    try {
      await this.#make(link)
    } catch (error) {
      if (!(await this.#isTokenOurs())) return false // It was faster.
      try {
        // Broken, a copy of ours, or a file system without links.
        if (errorCode(error) !== 'ENOENT') await this.#make(rename)
      } catch (problem) {
        // Without room for it there is no sign of another owner either.
        return NO_ROOM.includes(errorCode(problem))
      }
    }
    return await this.#isFileThere()
  }

  /** @param place gives the file that was written its name */
  async #make(place: (from: string, to: string) => Promise<void>): Promise<void> {
    const { folder, owner } = this.#options
    const newPath = newLockPath(folder, owner.token)
    const handle = await open(newPath, O_RDWR | O_CREAT | O_EXCL, FILE_MODE)
    try {
      await writeOwner(handle, { ...owner, beat: ++this.#beat })
      await place(newPath, lockPath(folder))
      await this.#takeOver(handle)
    } catch (error) {
      await handle.close()
      throw error
    } finally {
      await unlink(newPath).catch(() => {}) // Renamed, as a rule.
    }
  }

  /** @returns whether the folder is locked, if only by the socket */
  async #makeWithoutRoom(): Promise<boolean> {
    const { folder, owner } = this.#options
    const newPath = newLockPath(folder, owner.token)
    try {
      await rename(lockPath(folder), newPath) // Of several who do this, one has the file.
      const handle = await open(newPath, O_RDWR)
      await writeOwner(handle, { ...owner, beat: ++this.#beat })
      await rename(newPath, lockPath(folder))
      await this.#takeOver(handle)
      return true
    } catch {
      return owner.hasSocket
    }
  }

  async #takeOver(handle: FileHandle): Promise<void> {
    const former = this.#file
    const identity = identityOf(await handle.stat({ bigint: true }))
    this.#file = { handle, identity }
    await former?.handle.close()
  }

  async #write(released: boolean): Promise<void> {
    if (this.#file === undefined) return
    const owner: Owner = { ...this.#options.owner, beat: ++this.#beat, released }
    await writeOwner(this.#file.handle, owner)
  }
}
