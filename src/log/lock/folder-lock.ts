/**
 * The lock of a log on disk: one process per folder.
 *
 * Node has no flock, and a pid file is meaningless between containers. The lock uses two means
 * instead: a socket that a living owner on this machine answers (lock-socket.ts), and a file that a
 * living owner on any machine rewrites (heartbeat.ts).
 *
 *     look for a socket that answers            found: RELAY_LOG_LOCKED; nothing was touched
 *     bind a socket, look again                 found: give way; both may have started at once
 *     read the heartbeat                        released, or its owner is proved dead: continue
 *     no heartbeat, but segments                somebody removed it, maybe from a living owner
 *     in doubt, watch it for WATCH_MS           it changes or appears: RELAY_LOG_LOCKED
 *     write a heartbeat                         and check it, if another machine may do the same
 *
 * Promise: at most one process of a machine holds the folder. With several machines on a shared
 * volume, a process that was suspended for longer than WATCH_MS may find the folder taken when it
 * resumes: `isOwner` reports that at once, `onLost` within one beat. They also report that the
 * folder was removed, moved or replaced; then `retake` can lock it again. If somebody removes a
 * file or socket of the lock, the owner makes it again within one beat.
 *
 * A start takes milliseconds after a stop, or after a kill on the same machine. After a reboot, on
 * another machine, or when the files of the lock were removed, it takes WATCH_MS.
 */

import { readdir } from 'node:fs/promises'
import { type Clock, sleep } from '../../std/clock.ts'
import { errorText, RelayError } from '../../std/errors.ts'
import { makeFolders } from '../../std/files.ts'
import type { Logger } from '../../std/logger.ts'
import { isSegmentName } from '../segments/segment-names.ts'
import { BEAT_EVERY_MS, Heartbeat, type LockState } from './heartbeat.ts'
import { HeldFolder } from './held-folder.ts'
import { type Owner, readBootId, readOwner } from './lock-file.ts'
import { findPeers, type LockSocket, openLockSocket, type Peer, removePeer } from './lock-socket.ts'

const TOKEN_BYTES = 16
const FOLDER_MODE = 0o700
/** A living owner writes at least one beat in this time, even on a busy machine. */
const WATCH_MS = 2.5 * BEAT_EVERY_MS
/** When several processes start at once, all may give way; each retries after a random wait. */
const TRIES_MAX = 5
const GIVE_WAY_MAX_MS = 300

export interface FolderLockOptions {
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** Called at each loss: the folder was taken over or is gone, so the log must stop writing. */
  readonly onLost: (state: Exclude<LockState, 'ours'>) => void
}

export interface FolderLock extends AsyncDisposable {
  /** The state at the last check. */
  readonly state: LockState
  /** Whether the folder is at its path and this process owns it. Never rejects. */
  isOwner(): Promise<boolean>
  /** Blocking check, right after the file system has answered; false = ask `isOwner`. */
  isOwnerNow(): boolean
  /** The folder that was locked last is at its path, whoever owns it now. Never rejects. */
  isFolderThere(): Promise<boolean>
  /** The last check is so recent that no other process can have taken over since. */
  readonly isFresh: boolean
  /**
   * Locks the folder that is at the path now, after the loss of the locked folder.
   *
   * @returns '' on success, otherwise the reason. Never rejects.
   */
  retake(): Promise<string>
}

/**
 * Locks the folder; makes a missing one. Rejects with RELAY_LOG_LOCKED when another process owns
 * it, or with the system's error.
 */
export async function lockFolder(options: FolderLockOptions): Promise<FolderLock> {
  const { folder, randomBytes, clock } = options
  await makeFolders(folder, FOLDER_MODE)
  await using stack = new AsyncDisposableStack()
  const held = stack.use(await HeldFolder.open(folder))
  const token = randomBytes(TOKEN_BYTES).toString('hex')
  const peers = await findPeers(folder, token, clock)
  if (peers.some(({ state }) => state === 'alive')) throw lockedError(folder)

  const { socket, gone } = await openSocket(options, token)
  if (socket !== undefined) stack.defer(() => socket.close())
  const lock = new HeldLock(options, { token, held, socket })
  await lock.claim(gone)
  // Last: until the claim succeeds, these sockets prove that their owners are dead.
  for (const peer of gone) await removePeer(folder, peer)
  stack.move() // From now on the lock closes them.
  return lock
}

class HeldLock implements FolderLock {
  readonly #options: FolderLockOptions
  readonly #token: string
  #held: HeldFolder
  #socket: LockSocket | undefined
  #heartbeat: Heartbeat | undefined

  constructor(
    options: FolderLockOptions,
    parts: {
      readonly token: string
      readonly held: HeldFolder
      readonly socket: LockSocket | undefined
    },
  ) {
    this.#options = options
    this.#token = parts.token
    this.#held = parts.held
    this.#socket = parts.socket
  }

  get state(): LockState {
    return this.#heartbeat?.state ?? 'gone'
  }

  async isOwner(): Promise<boolean> {
    return (await this.#heartbeat?.isOwner()) === true
  }

  isOwnerNow(): boolean {
    return this.#heartbeat?.isOwnerNow() === true
  }

  get isFresh(): boolean {
    return this.#heartbeat?.isFresh === true
  }

  async isFolderThere(): Promise<boolean> {
    return await this.#held.isAtItsPath()
  }

  /** @param gone processes that have left their sockets behind */
  async claim(gone: readonly Peer[]): Promise<void> {
    const { folder, clock, onLost } = this.#options
    const boot = await readBootId()
    const former = await readOwner(folder)
    const isUncertain =
      former === undefined ? await hasSegments(folder) : !isProvedDead(former, { boot, gone })
    if (isUncertain) await this.#watch(former)
    let isClaimed = false
    const owner = { token: this.#token, boot, hasSocket: this.#socket !== undefined }
    const heartbeat = await Heartbeat.open({
      ...{ folder, owner, clock },
      isFolderThere: () => this.#held.isAtItsPath(),
      onBeat: () => this.#careForSocket(),
      onLost: (state) => {
        // A loss before the claim is a refusal (RELAY_LOG_LOCKED).
        if (isClaimed) onLost(state)
      },
    })
    this.#heartbeat = heartbeat
    // Another machine may have watched the same dead owner and claimed the folder just after us.
    if (isUncertain || !owner.hasSocket) await sleep(clock, BEAT_EVERY_MS)
    await heartbeat.isOwner()
    isClaimed = heartbeat.state === 'ours'
    if (isClaimed) return
    await heartbeat.close()
    throw lockedError(folder)
  }

  async retake(): Promise<string> {
    const { folder, clock } = this.#options
    if (this.state === 'taken') return 'another process has it'
    if (await this.isOwner()) return ''
    try {
      await using stack = new AsyncDisposableStack()
      const found = stack.use(await HeldFolder.open(folder))
      if (this.#held.isMount && !found.isMount) return 'its file system is not mounted'
      const peers = await findPeers(folder, this.#token, clock)
      if (peers.some(({ state }) => state === 'alive')) return 'another relay runs on it'
      const former = this.#held
      this.#held = found
      if (!(await this.#heartbeat?.moveIn())) {
        this.#held = former
        return 'no lock can be made in it, or another process has it'
      }
      await this.#careForSocket()
      stack.move()
      await former[Symbol.asyncDispose]()
      return ''
    } catch (error) {
      return errorText(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#heartbeat?.close()
    await this.#socket?.close()
    await this.#held[Symbol.asyncDispose]()
  }

  /** A living owner shows itself by a beat, by making the lock file again, or by its socket. */
  async #watch(former: Owner | undefined): Promise<void> {
    const { folder, clock } = this.#options
    await sleep(clock, WATCH_MS)
    const now = await readOwner(folder)
    const hasBeaten = now !== undefined && (now.token !== former?.token || now.beat !== former.beat)
    const peers = hasBeaten ? [] : await findPeers(folder, this.#token, clock)
    if (hasBeaten || peers.some(({ state }) => state === 'alive')) throw lockedError(folder)
  }

  /** Makes the socket again if somebody removed its name, or if there was no room for it. */
  async #careForSocket(): Promise<void> {
    const socket = this.#socket
    if (await socket?.isThere()) return
    try {
      // Close first: closing removes the socket's name, which the new socket will have.
      await socket?.close()
      this.#socket = await openLockSocket(this.#options.folder, this.#token)
    } catch {
      // The next beat tries again.
    }
  }
}

async function hasSegments(folder: string): Promise<boolean> {
  return (await readdir(folder)).some(isSegmentName)
}

function lockedError(folder: string): RelayError {
  return new RelayError('RELAY_LOG_LOCKED', `${folder} is in use by another running relay`)
}

interface OpenedSocket {
  /** `undefined` when the file system does not support sockets. */
  readonly socket: LockSocket | undefined
  /** Dead processes that left their sockets behind. */
  readonly gone: readonly Peer[]
}

/** Binds a socket, then checks that no other socket in the folder answers. */
async function openSocket(options: FolderLockOptions, token: string): Promise<OpenedSocket> {
  const { folder, clock, logger, randomBytes } = options
  for (let tries = 1; tries <= TRIES_MAX; tries++) {
    let socket: LockSocket
    try {
      socket = await openLockSocket(folder, token)
    } catch (error) {
      const text = `log: no socket can be made in ${folder} (${errorText(error)})`
      logger.warn({ folder }, `${text}; the lock rests on its heartbeat alone`)
      return { socket: undefined, gone: [] }
    }
    const peers = await findPeers(folder, token, clock)
    if (peers.every(({ state }) => state === 'gone')) return { socket, gone: peers }
    await socket.close()
    const share = randomBytes(1).readUInt8() / 0x100
    await sleep(clock, share * GIVE_WAY_MAX_MS)
  }
  throw lockedError(folder)
}

/**
 * True when the former owner released the folder, or ran on this kernel and its socket does not
 * answer. A missing socket proves nothing: somebody may have removed it.
 */
function isProvedDead(
  former: Owner,
  here: { readonly boot: string; readonly gone: readonly Peer[] },
): boolean {
  if (former.released === true) return true
  if (here.boot === '' || former.boot !== here.boot) return false
  return former.hasSocket && here.gone.some(({ token }) => token === former.token)
}
