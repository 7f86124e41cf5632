/**
 * Breaks a TCP connection with a reset, in any state.
 *
 * `resetAndDestroy` alone is not enough: libuv refuses to reset a socket that has been ended
 * (EINVAL), and Node 26 then leaves the handle open and the event loop spinning.
 */
import type { Socket } from 'node:net'

export function resetSocket(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy()
  else if (!socket.destroyed) socket.resetAndDestroy()
}
