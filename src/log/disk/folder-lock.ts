/**
 * One process a folder: the lock of a log on disk.
 *
 * Node has no flock, and a pid file means nothing between containers. Two things stand in for it: a
 * socket that a living owner on this machine answers (lock-socket.ts), and a file that a living
 * owner anywhere rewrites (heartbeat.ts).
 *
 *     look for a socket that answers            yes: RELAY_LOG_LOCKED; nothing was touched
 *     bind an own one, look again               yes: give way; both may have begun at once
 *     read the heartbeat                        none, or its owner is proved dead: go on
 *     else watch it for WATCH_MS                it changes: RELAY_LOG_LOCKED
 *     write an own heartbeat                    and look, if another machine may do the same
 *
 * Promise: of processes on one machine at most one holds the folder. Of several machines on a
 * shared volume, one that was stopped for longer than WATCH_MS may wake up and find the folder
 * taken: `isOwner` is to be asked before each new segment and cursor, and `onLost` tells it within
 * one beat.
 *
 * Starting after a kill on the same machine costs milliseconds; after a reboot, or on another
 * machine, WATCH_MS.
 */

import { mkdir } from 'node:fs/promises'
import { type Clock, sleep } from '../../std/clock.ts'
import { errorText, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { BEAT_EVERY_MS, Heartbeat, type Owner, readBootId, readOwner } from './heartbeat.ts'
import { findPeers, type LockSocket, openLockSocket, type Peer, removePeer } from './lock-socket.ts'

const TOKEN_BYTES = 16
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
  /** Another process has taken the folder over: stop writing to it. Called at most once. */
  readonly onLost: () => void
}

export interface FolderLock extends AsyncDisposable {
  /** Whether the folder is still ours. Never rejects. */
  isOwner(): Promise<boolean>
}

/** Makes the folder when there is none. Rejects with RELAY_LOG_LOCKED when another has it. */
export async function lockFolder(options: FolderLockOptions): Promise<FolderLock> {
  const { folder, randomBytes, clock } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const token = randomBytes(TOKEN_BYTES).toString('hex')
  const peers = await findPeers(folder, token, clock)
  if (peers.some(({ state }) => state === 'alive')) throw lockedError(folder)

  await using stack = new AsyncDisposableStack()
  const { socket, gone } = await openSocket(options, token)
  if (socket !== undefined) stack.defer(() => socket.close())
  const heartbeat = await claim(options, { token, hasSocket: socket !== undefined, gone })
  stack.defer(() => heartbeat.close())
  // Last: until the claim stands, they are the proof that their owners are dead.
  for (const peer of gone) await removePeer(folder, peer)
  const held = stack.move()
  return {
    isOwner: () => heartbeat.isOwner(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
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

async function claim(
  options: FolderLockOptions,
  own: { readonly token: string; readonly hasSocket: boolean; readonly gone: readonly Peer[] },
): Promise<Heartbeat> {
  const { folder, clock } = options
  const { token, hasSocket, gone } = own
  const boot = await readBootId()
  const former = await readOwner(folder)
  const isDoubtful = former !== undefined && !isProvedDead(former, { boot, gone })
  if (isDoubtful) {
    await sleep(clock, WATCH_MS)
    const now = await readOwner(folder)
    if (now !== undefined && (now.token !== former.token || now.beat !== former.beat)) {
      throw lockedError(folder)
    }
  }
  let isClaimed = false
  const onLost = () => {
    // Before that it is not lost, but refused.
    if (isClaimed) options.onLost()
  }
  const owner = { token, boot, hasSocket }
  const heartbeat = await Heartbeat.open({ folder, owner, clock, onLost })
  // Another machine may have watched the same dead owner, and have claimed just after us.
  if (isDoubtful || !hasSocket) await sleep(clock, BEAT_EVERY_MS)
  isClaimed = await heartbeat.isOwner()
  if (isClaimed) return heartbeat
  await heartbeat.close()
  throw lockedError(folder)
}

/**
 * It ran on this kernel, and nobody is behind its socket. Without its socket nothing is proved:
 * somebody may have removed that.
 */
function isProvedDead(
  former: Owner,
  here: { readonly boot: string; readonly gone: readonly Peer[] },
): boolean {
  if (here.boot === '' || former.boot !== here.boot) return false
  return former.hasSocket && here.gone.some(({ token }) => token === former.token)
}
