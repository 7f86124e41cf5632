/**
 * One process a folder: the lock of a log on disk.
 *
 * Node has no flock, and a pid file means nothing between containers. Two things stand in for it: a
 * socket that a living owner on this machine answers (lock-socket.ts), and a file that a living
 * owner anywhere rewrites (heartbeat.ts).
 *
 *     look for a socket that answers            yes: RELAY_LOG_LOCKED; nothing was touched
 *     bind an own one, look again               yes: give way; both may have begun at once
 *     read the heartbeat                        given back, or its owner is proved dead: go on
 *     none, and there are segments              somebody has removed it, maybe from a living owner
 *     watch the doubtful for WATCH_MS           it changes or comes: RELAY_LOG_LOCKED
 *     write an own heartbeat                    and look, if another machine may do the same
 *
 * Promise: of processes on one machine at most one holds the folder. Of several machines on a
 * shared volume, one that was stopped for longer than WATCH_MS may wake up and find the folder
 * taken: `isOwner` tells it at once, `onLost` within one beat. The same tells when the folder is
 * removed, moved or replaced; then it can be had again (`retake`). A file or socket of the lock
 * that somebody removes is made again within one beat.
 *
 * Starting after a stop, or after a kill on the same machine, costs milliseconds; after a reboot,
 * on another machine, or where the lock's files were removed, WATCH_MS.
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
/** A living owner has beaten at least once in it, also one that is short of time. */
const WATCH_MS = 2.5 * BEAT_EVERY_MS
/** Of several that begin at once all may give way; then each tries again after a random wait. */
const TRIES_MAX = 5
const GIVE_WAY_MAX_MS = 300

export interface FolderLockOptions {
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
  readonly randomBytes: (count: number) => Buffer
  /** The folder was taken over, or is gone: stop writing to it. Each time that it is lost. */
  readonly onLost: (state: Exclude<LockState, 'ours'>) => void
}

export interface FolderLock extends AsyncDisposable {
  /** As it was when it was last looked at. */
  readonly state: LockState
  /** Whether the folder is at its path, and ours. Never rejects. */
  isOwner(): Promise<boolean>
  /** The same, right after its file system has answered; false = `isOwner` has to be asked. */
  isOwnerNow(): boolean
  /** The folder that was locked last is at its path, whoever has it. Never rejects. */
  isFolderThere(): Promise<boolean>
  /** Seen to be ours so short a time ago that nobody can have taken it over since. */
  readonly isFresh: boolean
  /**
   * Takes the folder that is at the path now, after the one that was locked has gone.
   *
   * @returns '' when it is ours, else why not. Never rejects.
   */
  retake(): Promise<string>
}

/**
 * Makes the folder when there is none. Rejects with RELAY_LOG_LOCKED when another has it, or with
 * the system's error.
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
  // Last: until the claim stands, they are the proof that their owners are dead.
  for (const peer of gone) await removePeer(folder, peer)
  stack.move() // From here they are the lock's to close.
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
    const isDoubtful =
      former === undefined ? await hasSegments(folder) : !isProvedDead(former, { boot, gone })
    if (isDoubtful) await this.#watch(former)
    let isClaimed = false
    const owner = { token: this.#token, boot, hasSocket: this.#socket !== undefined }
    const heartbeat = await Heartbeat.open({
      ...{ folder, owner, clock },
      isFolderThere: () => this.#held.isAtItsPath(),
      onBeat: () => this.#careForSocket(),
      onLost: (state) => {
        // Before that it is not lost, but refused.
        if (isClaimed) onLost(state)
      },
    })
    this.#heartbeat = heartbeat
    // Another machine may have watched the same dead owner, and have claimed just after us.
    if (isDoubtful || !owner.hasSocket) await sleep(clock, BEAT_EVERY_MS)
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

  /** Whoever lives shows it: by a beat, by a lock that is made again, by a socket. */
  async #watch(former: Owner | undefined): Promise<void> {
    const { folder, clock } = this.#options
    await sleep(clock, WATCH_MS)
    const now = await readOwner(folder)
    const hasBeaten = now !== undefined && (now.token !== former?.token || now.beat !== former.beat)
    const peers = hasBeaten ? [] : await findPeers(folder, this.#token, clock)
    if (hasBeaten || peers.some(({ state }) => state === 'alive')) throw lockedError(folder)
  }

  /** A socket whose name somebody has removed, or for which there was no room, is made again. */
  async #careForSocket(): Promise<void> {
    const socket = this.#socket
    if (await socket?.isThere()) return
    try {
      // First: it may take away a name, and must not take that of the new one.
      await socket?.close()
      this.#socket = await openLockSocket(this.#options.folder, this.#token)
    } catch {
      // Tried again with the next beat.
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
  /** `undefined` where the file system has no sockets. */
  readonly socket: LockSocket | undefined
  /** Processes that have left their sockets behind. */
  readonly gone: readonly Peer[]
}

/** Binds a socket, then makes sure that nobody else has one that answers. */
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
 * It has said so, or it ran on this kernel and nobody is behind its socket. Without its socket
 * nothing is proved: somebody may have removed that.
 */
function isProvedDead(
  former: Owner,
  here: { readonly boot: string; readonly gone: readonly Peer[] },
): boolean {
  if (former.released === true) return true
  if (here.boot === '' || former.boot !== here.boot) return false
  return former.hasSocket && here.gone.some(({ token }) => token === former.token)
}
