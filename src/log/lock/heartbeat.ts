/**
 * A file that its owner rewrites as long as it lives: other machines see it, unlike the socket.
 *
 *     <folder>/lock                  rewritten in place every BEAT_EVERY_MS (lock-file.ts)
 *
 * A process that takes the folder over replaces the file. So the owner detects a loss when its file
 * is not at its path any more, which takes one system call (`isOwner`). Then it finds the cause:
 *
 *     the folder is not at its path     gone: may come back; nothing is written until then
 *     a foreign token                   taken over, permanently
 *     no file, or a broken file         somebody removed it: the owner makes it again with a link,
 *                                       which never replaces the file of a faster process
 *
 * On a full disk, a new owner reuses the file of a dead owner in place. If there is no such file
 * either, the socket alone is the lock until there is room.
 */

import { constants } from 'node:fs'
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { identityOf, NO_ROOM, nodeFileSystem } from '../file-system.ts'
import { lockPath, newLockPath, type Owner, readOwner, writeOwner } from './lock-file.ts'

export const BEAT_EVERY_MS = 1_000
/** Longer than the interval of beats, and shorter than WATCH_MS (folder-lock.ts). */
const FRESH_MS = 1.5 * BEAT_EVERY_MS
const { O_RDWR, O_CREAT, O_EXCL } = constants
const FILE_MODE = 0o600

/** `gone`: the folder is not at its path. `taken`: another process owns it, permanently. */
export type LockState = 'ours' | 'gone' | 'taken'

export interface HeartbeatOptions {
  readonly folder: string
  readonly owner: Omit<Owner, 'beat' | 'released'>
  readonly clock: Clock
  /** Whether the path leads to the locked folder. Never rejects. */
  readonly isFolderThere: () => Promise<boolean>
  /** Called with every beat while this process owns the folder. Never rejects. */
  readonly onBeat: () => Promise<void>
  /** Called at each loss of the folder; several times if the folder comes back in between. */
  readonly onLost: (state: Exclude<LockState, 'ours'>) => void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  /** `undefined` while there is no room for the file. */
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

  /** Claims the folder: replaces any existing lock file with the file of this process. */
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

  /** Whether the folder is at its path and ours. Usually one system call; never rejects. */
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
   * `isOwner` as a blocking call, right after the file system has answered (`lookAtOnce`); false =
   * not certain.
   */
  isOwnerNow(): boolean {
    const { folder } = this.#options
    if (this.#file === undefined || this.#state !== 'ours' || this.#isClosed) return false
    const isThere = nodeFileSystem.lookAtOnce(lockPath(folder))?.identity === this.#file.identity
    if (isThere) this.#seenAtMs = this.#options.clock.monotonicMs()
    return isThere
  }

  /** The last check is so recent that a process that wants the folder must still be watching. */
  get isFresh(): boolean {
    return this.#options.clock.monotonicMs() - this.#seenAtMs < FRESH_MS
  }

  /** Makes the file in the folder that is now at the path of the lost folder. */
  async moveIn(): Promise<boolean> {
    return (await this.#makeAgain()) && (await this.isOwner())
  }

  /** Stops the beats and, while the folder is ours, marks it as released in the file. */
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
      // Check the token too: on a full disk another process writes its token into the same file.
      if ((await this.isOwner()) && (await this.#isTokenOurs())) {
        // After a failed write the next beat tries again; the socket still answers meanwhile.
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

  /** A file that cannot be read does not indicate another owner. */
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

  /** @returns false when another process owns the folder, or may get it */
  async #makeAgain(): Promise<boolean> {
    if (!(await this.#isTokenOurs())) return false
    try {
      await this.#make(link)
    } catch (error) {
      if (!(await this.#isTokenOurs())) return false // Another process was faster.
      try {
        // The file is broken or a copy of ours, or the file system has no links.
        if (errorCode(error) !== 'ENOENT') await this.#make(rename)
      } catch (problem) {
        // No room for the file: that does not indicate another owner.
        return NO_ROOM.includes(errorCode(problem))
      }
    }
    return await this.#isFileThere()
  }

  /** @param place gives the written file its final name */
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
      await unlink(newPath).catch(() => {}) // Fails after a rename.
    }
  }

  /** @returns whether the folder is locked, at least by the socket */
  async #makeWithoutRoom(): Promise<boolean> {
    const { folder, owner } = this.#options
    const newPath = newLockPath(folder, owner.token)
    try {
      await rename(lockPath(folder), newPath) // Succeeds for only one of several processes.
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
