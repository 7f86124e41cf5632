/**
 * What Go's HTTP server refuses in the head of a request and node's lets pass, in Go's words. Pure.
 *
 * Not here: what node's parser refuses by itself (http-server.ts).
 */

import type { IncomingMessage } from 'node:http'

export interface HeadRefusal {
  readonly status: number
  readonly text: string
}

const BAD_REQUEST: HeadRefusal = { status: 400, text: '400 Bad Request' }
const MISSING_HOST: HeadRefusal = because('missing required Host header')
const MALFORMED_HOST: HeadRefusal = because('malformed Host header')
/** Whoever undoes one more encoding than we do sees another body: a way to smuggle. */
const UNSUPPORTED_ENCODING: HeadRefusal = { status: 501, text: 'Unsupported transfer encoding' }

/** What Go's `httpguts.ValidHostHeader` lets pass. */
const VALID_HOST = /^[-\w!$%&'()*+,.:;=[\]~]*$/

function because(reason: string): HeadRefusal {
  return { status: 400, text: `400 Bad Request: ${reason}` }
}

/** @returns `undefined` when there is nothing wrong with it */
export function headRefusal(request: IncomingMessage): HeadRefusal | undefined {
  // HTTP/0.9, and what calls itself HTTP/2.
  if (request.httpVersionMajor !== 1) return BAD_REQUEST
  const encoding = request.headers['transfer-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') return UNSUPPORTED_ENCODING
  return hostRefusal(request)
}

/** Servers that take different ones of two hosts can be played off against each other. */
function hostRefusal({ rawHeaders, httpVersionMinor }: IncomingMessage): HeadRefusal | undefined {
  let host: string | undefined
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length !== 4 || name.toLowerCase() !== 'host') continue
    if (host !== undefined) return BAD_REQUEST
    host = rawHeaders[index + 1] ?? ''
  }
  if (host === undefined) return httpVersionMinor >= 1 ? MISSING_HOST : undefined
  return VALID_HOST.test(host) ? undefined : MALFORMED_HOST
}
