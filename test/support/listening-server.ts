/**
 * The net.Server that something in this process listens with, to have errors of the system on it
 * that no test can cause. Has no test of its own.
 */
import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { Server } from 'node:net'

/** @param open listens with one server */
export async function withServerOf<T>(open: () => Promise<T>): Promise<readonly [T, Server]> {
  const servers: Server[] = []
  const note = (message: unknown) => {
    assert(typeof message === 'object' && message !== null && 'server' in message)
    assert(message.server instanceof Server)
    servers.push(message.server)
  }
  const listening = channel('tracing:net.server.listen:asyncStart')
  listening.subscribe(note)
  try {
    const opened = await open()
    const [server] = servers
    assert(server !== undefined && servers.length === 1)
    return [opened, server]
  } finally {
    listening.unsubscribe(note)
  }
}

/** As the system reports it when the process has no file descriptor left. */
export function failAccept(server: Server): void {
  server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
}
