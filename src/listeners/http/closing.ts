/** Final answers on a connection that no handler writes, as Go's HTTP server sends them. Pure. */

export const BAD_REQUEST = '400 Bad Request'
export const REQUEST_TIMEOUT = '408 Request Timeout'
export const MEMORY_FULL_CLOSING = '503 Service Unavailable: memory for requests is full'

/** @param status code and reason; ASCII */
export function renderClosing(status: string): string {
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Connection: close\r\nContent-Length: ${status.length}\r\n\r\n${status}`
  )
}
