/**
 * Ports that nobody uses, for programs that must be told their port before they start.
 *
 * What can listen on port 0 should. The numbers come from below the range that the kernel gives to
 * outgoing connections, so that no connection of another test takes one between here and its use.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const LOWEST = 12_000
const HIGHEST = 31_999
const ATTEMPTS = 100

const given = new Set<number>()

/** A port that is free on 127.0.0.1 for TCP and for UDP, never given twice by one process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1))
    if (given.has(port)) continue
    if ((await freeForTcp(port)) && (await freeForUdp(port))) {
      given.add(port)
      return port
    }
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST} in ${ATTEMPTS} attempts`)
}

async function freeForTcp(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false // Taken is the one thing that binding to loopback fails with.
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
