/**
 * Proves that a process on this machine owns a folder: it answers on a unix socket in the folder.
 *
 *     <folder>/lock-<token>.sock      one for each process that owns the folder or wants it
 *
 * A dead process can leave a file behind, but not a socket that accepts a connection. This works
 * across containers that share the folder, where pids are meaningless. Each process binds a socket
 * with a name of its own before it looks for others, so that of two processes that start at once at
 * least one sees the other. No process removes a name that another process may be about to use.
 *
 * Limits: it sees neither processes on other machines (heartbeat.ts does), nor any process when the
 * file system of the folder does not support sockets.
 */

import { constants } from 'node:fs'
import { open, readdir, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { identityOf } from '../file-system.ts'

const NAME = /^lock-([0-9a-f]{32})\.sock$/
/** After this wait for a connection, the process counts as alive but busy. */
const CONNECT_TIMEOUT_MS = 2_000

/** `gone`: the socket exists, but no process answers on it. */
export type Peer = { readonly token: string; readonly state: 'alive' | 'gone' }

export interface LockSocket {
  /** Whether the path still leads to this socket; if not, nobody can reach it. Never rejects. */
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
    // The lock alone must not keep the process alive.
    server.unref()
    const own = join(folder, `lock-${token}.sock`)
    const identity = await identityAt(path)
    return {
      isThere: async () => identity !== '' && (await identityAt(own)) === identity,
      close: () => close(server, own),
    }
  })
}

/** '' = the path leads nowhere or cannot be read. */
async function identityAt(path: string): Promise<string> {
  try {
    return identityOf(await stat(path, { bigint: true }))
  } catch {
    return ''
  }
}

/** All other processes with a socket in the folder. */
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
    // No answer means that the queue of connections is full: the process is alive and busy.
    const timer = clock.startTimer(CONNECT_TIMEOUT_MS, () => finish(true))
    socket.once('connect', () => finish(true))
    socket.once('error', (error) => {
      finish(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(errorCode(error)))
    })
  })
}

async function close(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()))
  // Node removes the socket by the path of `listen`, which may not lead there any more.
  await unlink(path).catch(() => {})
}

/**
 * Calls `use` with a short path of the folder: the path of a socket has at most 107 bytes on Linux
 * (103 elsewhere).
 *
 * On Linux, /proc gives an open folder a short path by its descriptor. Elsewhere the path is used
 * unchanged, and a long path fails like an unusable socket.
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
