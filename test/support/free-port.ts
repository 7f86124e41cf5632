/**
 * Ports that nobody uses, for programs that need to know their port before they start.
 *
 * Use port 0 where a program can listen on it. The ports here are below the range that the kernel
 * gives to outgoing connections, so that no connection of another test takes a port before its use.
 * No other test process takes it either: each process has blocks of its own, and listens on the
 * first port of a block as long as it lives.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const LOWEST = 12_000
const BLOCK_PORTS = 50
const BLOCKS = 400
const ATTEMPTS = 100

/** Free ports in the blocks of this process. */
const notGiven: number[] = []

/** A port that is free on 127.0.0.1 for TCP and for UDP, never given twice by one process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = notGiven.pop()
    if (port === undefined) notGiven.push(...(await claimBlock()))
    else if ((await freeForTcp(port)) && (await freeForUdp(port))) return port
  }
}

async function claimBlock(): Promise<number[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = LOWEST + BLOCK_PORTS * Math.floor(Math.random() * BLOCKS)
    const server = createServer().unref() // The server must not keep the process alive.
    try {
      server.listen(first, '127.0.0.1')
      await once(server, 'listening')
    } catch {
      continue // The block belongs to another process.
    }
    return Array.from({ length: BLOCK_PORTS - 1 }, (_, index) => first + 1 + index)
  }
  throw new Error(`no free block of ports from ${LOWEST} on in ${ATTEMPTS} attempts`)
}

async function freeForTcp(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false // Binding to loopback fails only if the port is taken.
  }
  server.close()
  await once(server, 'close')
  return true
}

async function freeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
