/**
 * Proof that a process on this machine has a folder: it answers on a unix socket in there.
 *
 *     <folder>/lock-<token>.sock      one for each process that has the folder or wants it
 *
 * A file can be left behind by a dead process; a socket that takes a connection cannot. It holds
 * across containers that share the folder, where pids mean nothing. Each has a socket of its own
 * name, bound before it looks for others, so that of two that begin at once at least one sees the
 * other; nobody ever removes a name that somebody else may be about to use.
 *
 * Limits: processes on other machines are not seen (heartbeat.ts is for them), nor anything in a
 * folder on a file system without sockets.
 */

import { constants } from 'node:fs'
import { open, readdir, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { identityOf } from '../file-system.ts'

const NAME = /^lock-([0-9a-f]{32})\.sock$/
/** A process that took the connection lives, however long it takes to say so. */
const CONNECT_TIMEOUT_MS = 2_000

/** `gone`: its socket is there, and nobody behind it. */
export type Peer = { readonly token: string; readonly state: 'alive' | 'gone' }

export interface LockSocket {
  /** Whether its name still leads to it: without, it answers nobody. Never rejects. */
  isThere(): Promise<boolean>
  /** Stops answering and removes the socket. */
  close(): Promise<void>
}

export async function openLockSocket(folder: string, token: string): Promise<LockSocket> {
  return withShortPath(folder, async (shortFolder) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.end(`${token}\n`)
    })
    const path = join(shortFolder, `lock-${token}.sock`)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path }, resolve)
    })
    // The lock must not keep a process alive that has nothing else to do.
    server.unref()
    const own = join(folder, `lock-${token}.sock`)
    const identity = await identityAt(path)
    return {
      isThere: async () => identity !== '' && (await identityAt(own)) === identity,
      close: () => close(server, own),
    }
  })
}

/** '' = nothing is there that could be seen. */
async function identityAt(path: string): Promise<string> {
  try {
    return identityOf(await stat(path, { bigint: true }))
  } catch {
    return ''
  }
}

/** All others whose sockets are in the folder. */
export async function findPeers(
  folder: string,
  ownToken: string,
  clock: Clock,
): Promise<readonly Peer[]> {
  const names = await readdir(folder)
  const tokens = names.map((name) => NAME.exec(name)?.[1] ?? '')
  return withShortPath(folder, (shortFolder) =>
    Promise.all(
      tokens
        .filter((token) => token !== '' && token !== ownToken)
        .map(async (token): Promise<Peer> => {
          const isAlive = await answers(join(shortFolder, `lock-${token}.sock`), clock)
          return { token, state: isAlive ? 'alive' : 'gone' }
        }),
    ),
  )
}

/** Removes the socket of a process that is gone. */
export async function removePeer(folder: string, { token }: Peer): Promise<void> {
  try {
    await unlink(join(folder, `lock-${token}.sock`))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

function answers(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    const finish = (isAlive: boolean) => {
      timer.cancel()
      socket.destroy()
      resolve(isAlive)
    }
    // A full queue of connections takes no more: somebody is there, and busy.
    const timer = clock.startTimer(CONNECT_TIMEOUT_MS, () => finish(true))
    socket.once('connect', () => finish(true))
    socket.once('error', (error) => {
      finish(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(errorCode(error)))
    })
  })
}

async function close(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
  // Node removes it by the path that it was bound by, which may not lead there any more.
  await unlink(path).catch(() => {})
}

/**
 * The folder by a path that is short enough: a socket's has at most 107 bytes (103 elsewhere).
 *
 * An open folder can be named by its number where there is a /proc; elsewhere the path is used as
 * it is, and a long one fails as an unusable socket does.
 */
async function withShortPath<T>(folder: string, use: (path: string) => Promise<T>): Promise<T> {
  if (process.platform !== 'linux') return use(folder)
  const handle = await open(folder, constants.O_RDONLY)
  try {
    return await use(`/proc/self/fd/${handle.fd}`)
  } finally {
    await handle.close()
  }
}
