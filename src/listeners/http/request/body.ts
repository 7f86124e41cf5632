/**
 * Receives one request body, up to a limit, and charges it to the memory budget while it arrives.
 *
 * A truncated body ends as `aborted`, never as a shorter body. The charge ends before `done` gets
 * the `BodyResult`: from then on the receiver accounts for the bytes.
 *
 * Limit: `maxBytes`, checked with each chunk. Callers compare Content-Length with it beforehand.
 */

import type { IncomingMessage } from 'node:http'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { withoutRest } from '../../../std/unpooled.ts'
import { contentLength } from './headers.ts'
import { IncomingBody } from './incoming-body.ts'

export type BodyResult =
  | { readonly kind: 'received'; readonly body: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'memory-full' }
  /** The connection died before the end of the body, so no answer can be sent. */
  | { readonly kind: 'aborted' }

const EMPTY = Buffer.alloc(0)
const TOO_LARGE: BodyResult = { kind: 'too-large' }
const MEMORY_FULL: BodyResult = { kind: 'memory-full' }
const ABORTED: BodyResult = { kind: 'aborted' }

export interface BodyOptions {
  readonly maxBytes: number
  readonly memory: Memory
}

/**
 * Calls `done` exactly once. After `too-large` and `memory-full` the rest of the body is discarded.
 */
export function receiveBody(
  request: IncomingMessage,
  { maxBytes, memory }: BodyOptions,
  done: (result: BodyResult) => void,
): void {
  const announcedBytes = contentLength(request)
  const lease = new Lease(memory)
  // Most bodies are a single chunk, which may be kept: node has copied it from its read buffer.
  let only: Buffer | undefined
  let joined: IncomingBody | undefined
  let bytes = 0
  let isDone = false

  const finish = (result: BodyResult): void => {
    if (isDone) return
    isDone = true
    if (result.kind === 'received') lease.transfer()
    else {
      lease.end()
      joined?.drop()
    }
    only = undefined
    joined = undefined
    done(result)
  }
  const join = (first: Buffer): IncomingBody => {
    const body = new IncomingBody(maxBytes, announcedBytes ?? 0)
    body.append(first)
    return body
  }
  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    bytes += chunk.length
    if (bytes > maxBytes) return finish(TOO_LARGE)
    if (only === undefined && joined === undefined) {
      if (!lease.tryGrowTo(chunk.length)) return finish(MEMORY_FULL)
      only = chunk
      return
    }
    joined ??= join(only ?? EMPTY)
    only = undefined
    if (!lease.tryGrowTo(joined.heldBytesWith(chunk.length))) return finish(MEMORY_FULL)
    joined.append(chunk)
  })
  request.on('end', () => {
    const body = joined?.whole() ?? withoutRest(only ?? EMPTY)
    finish({ kind: 'received', body })
  })
  request.on('error', () => finish(ABORTED))
  request.on('close', () => finish(ABORTED))
}
