/**
 * Receives one request body: counted, bounded, and charged to the memory budget while it comes in.
 *
 * A body that is cut off ends as `aborted`, never as a shorter body. Whoever gets a `BodyResult`
 * has the budget's share back already: from there the bytes are the receiver's to account for.
 *
 * Limit: `maxBytes`, known before the first byte from Content-Length, or at the chunk that passes
 * it.
 */

import type { IncomingMessage } from 'node:http'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { withoutRest } from '../../../std/own-memory.ts'
import { contentLength } from './headers.ts'
import { IncomingBody } from './incoming-body.ts'

export type BodyResult =
  | { readonly kind: 'received'; readonly body: Buffer }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'memory-full' }
  /** The connection died before the end. Nobody is left to answer. */
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
 * Calls `done` exactly once. After `too-large` and `memory-full` the rest of the body is thrown
 * away.
 */
export function receiveBody(
  request: IncomingMessage,
  { maxBytes, memory }: BodyOptions,
  done: (result: BodyResult) => void,
): void {
  const announcedBytes = contentLength(request)
  const lease = new Lease(memory)
  // Most bodies are one chunk, which is ours: node has copied it out of its read buffer.
  let only: Buffer | undefined
  let joined: IncomingBody | undefined
  let bytes = 0
  let isDone = false

  const finish = (result: BodyResult): void => {
    if (isDone) return
    isDone = true
    if (result.kind === 'received') lease.handOn()
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
