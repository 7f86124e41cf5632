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
import type { Memory } from '../std/memory-budget.ts'
import { ownConcat } from '../std/own-memory.ts'

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
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let bytes = 0
  let isDone = false

  const finish = (result: BodyResult): void => {
    if (isDone) return
    isDone = true
    if (result.kind === 'received') memory.handOn(bytes)
    else memory.giveBack(bytes)
    first = undefined
    more = undefined
    done(result)
  }
  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    if (bytes + chunk.length > maxBytes) return finish(TOO_LARGE)
    if (!memory.tryTake(chunk.length)) return finish(MEMORY_FULL)
    bytes += chunk.length
    if (first === undefined) first = chunk
    else if (more === undefined) more = [first, chunk]
    else more.push(chunk)
  })
  request.on('end', () => {
    // Most bodies are one chunk, which is ours: node has copied it out of its read buffer.
    const body = more === undefined ? (first ?? EMPTY) : ownConcat(more, bytes)
    finish({ kind: 'received', body })
  })
  request.on('error', () => finish(ABORTED))
  request.on('close', () => finish(ABORTED))
}
