/**
 * A file that changes as long as its owner lives: what the socket cannot tell from another machine.
 *
 *     <folder>/lock     {"token":"…","boot":"…","hasSocket":true,"beat":12}, padded to one length
 *
 * The owner rewrites it in place every BEAT_EVERY_MS. Whoever takes the folder over replaces the
 * file by another; the former owner goes on writing to its own, which has no name any more, and
 * finds a foreign token when it looks. `boot` names a run of a machine's kernel: an owner of the
 * same one whose socket is dead is dead, and need not be watched.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'

const NAME = 'lock'
const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
export const BEAT_EVERY_MS = 1_000
/** Always the same, so that rewriting needs no space on a disk that is full. */
const FILE_BYTES = 256

export interface Owner {
  readonly token: string
  /** '' = not known here. */
  readonly boot: string
  readonly hasSocket: boolean
  readonly beat: number
}

/** @returns `undefined` when there is no file, or none that was written whole */
export async function readOwner(folder: string): Promise<Owner | undefined> {
  try {
    return parseOwner(JSON.parse(await readFile(join(folder, NAME), 'utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** What tells this run of this machine's kernel from all others; '' where nothing does. */
export async function readBootId(): Promise<string> {
  try {
    return (await readFile(BOOT_ID_PATH, 'utf8')).trim()
  } catch {
    return '' // Not Linux, or no /proc: then owners are watched before they are taken for dead.
  }
}

export interface HeartbeatOptions {
  readonly folder: string
  readonly owner: Omit<Owner, 'beat'>
  readonly clock: Clock
  /** A foreign token was found: the folder is no longer ours. Called once. */
  readonly onLost: () => void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #handle: FileHandle
  #timer: Timer | undefined
  #beating: Promise<void> = Promise.resolve()
  #beat = 0
  #isLost = false
  #isClosed = false

  private constructor(handle: FileHandle, options: HeartbeatOptions) {
    this.#handle = handle
    this.#options = options
  }

  /** Claims the folder: whatever the file was, from now on it is ours. */
  static async open(options: HeartbeatOptions): Promise<Heartbeat> {
    const { folder, owner } = options
    const newPath = join(folder, `${NAME}-${owner.token}.new`)
    const { O_RDWR, O_CREAT, O_EXCL } = constants
    const handle = await open(newPath, O_RDWR | O_CREAT | O_EXCL, 0o600)
    const heartbeat = new Heartbeat(handle, options)
    try {
      await heartbeat.#write()
      await rename(newPath, join(folder, NAME))
    } catch (error) {
      await Promise.allSettled([handle.close(), unlink(newPath)])
      throw error
    }
    heartbeat.#schedule()
    return heartbeat
  }

  /**
   * Whether the folder is still ours, as far as can be told. A file that cannot be read, or that
   * somebody has removed, is no sign of another owner.
   */
  async isOwner(): Promise<boolean> {
    if (this.#isLost) return false
    const { folder, owner, onLost } = this.#options
    const found = await readOwner(folder).catch(() => undefined)
    if (found === undefined || found.token === owner.token) return true
    if (!this.#isLost) {
      this.#isLost = true
      onLost()
    }
    return false
  }

  /** Stops, and removes the file if it is ours. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#beating
    const { folder, owner } = this.#options
    const found = await readOwner(folder).catch(() => undefined)
    if (found?.token === owner.token) await unlink(join(folder, NAME)).catch(() => {})
    await this.#handle.close()
  }

  #schedule(): void {
    const beat = async () => {
      const isOurs = await this.isOwner()
      // A beat that cannot be written is tried again; the socket goes on answering.
      if (isOurs) await this.#write().catch(() => {})
      if (isOurs && !this.#isClosed) this.#schedule()
    }
    const fire = () => {
      this.#beating = beat()
    }
    this.#timer = this.#options.clock.startTimer(BEAT_EVERY_MS, fire, { isBackground: true })
  }

  async #write(): Promise<void> {
    const owner: Owner = { ...this.#options.owner, beat: ++this.#beat }
    await this.#handle.write(JSON.stringify(owner).padEnd(FILE_BYTES), 0)
  }
}

function parseOwner(json: unknown): Owner | undefined {
  if (typeof json !== 'object' || json === null || !('token' in json)) return undefined
  const { token } = json
  if (typeof token !== 'string') return undefined
  const boot = 'boot' in json && typeof json.boot === 'string' ? json.boot : ''
  const hasSocket = 'hasSocket' in json && json.hasSocket === true
  const beat = 'beat' in json && typeof json.beat === 'number' ? json.beat : 0
  return { token, boot, hasSocket, beat }
}
