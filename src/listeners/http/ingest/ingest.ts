/**
 * Takes a whole body to its answer, both on the fast path and on node's path.
 *
 *     body → gzip → scanner → relay → answer
 *
 * Checks come in InfluxDB's order. Checks that need no database are made here; only lines that
 * InfluxDB accepts go to the relay. When no line does, an output is still asked about database and
 * credentials, because InfluxDB checks these first.
 *
 * Promise: bodies of one connection go to the relay in their order of arrival, although large gzip
 * bodies are decompressed on other threads. Later bodies of the connection wait, still compressed,
 * and count against the memory budget meanwhile.
 *
 * Limits: http/limits.ts. A large body is scanned in time slices (std/time-slicing.ts), with other
 * work of the event loop in between. Meanwhile the body counts against the memory budget, and so
 * does the output of the scan: lines without a timestamp may become four times as long.
 */

import type { HttpRelayConfig } from '../../../config/config.ts'
import { LineScan, type ScannedLines } from '../../../line-protocol/scan/scan.ts'
import type { Relay } from '../../../relay/relay.ts'
import type { Clock } from '../../../std/clock.ts'
import { unreachable } from '../../../std/errors.ts'
import { Lease } from '../../../std/lease.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { type Steps, timeSliced } from '../../../std/time-slicing.ts'
import { free } from '../../../std/unpooled.ts'
import type { Client } from '../../../write/merge-penalty.ts'
import { type Reply, refusedReply, STORED } from '../../../write/reply.ts'
import type { LinesWrite } from '../../../write/write.ts'
import type { HttpCounters } from '../counters.ts'
import type { BodyOptions } from '../request/body.ts'
import { type UnpackResult, unpackGzip } from '../request/unpack.ts'
import { MEMORY_FULL, TOO_LARGE } from './write-refusals.ts'
import type { ParsedWriteRequest } from './write-request-cache.ts'

/**
 * Bytes scanned between two checks of the clock: a few milliseconds at worst, when every line needs
 * the slow tier of the scanner.
 */
const SCAN_PIECE_BYTES = 64 * 1024

const EMPTY = Buffer.alloc(0)
const INVALID_CONSISTENCY = refusedReply(400, 'invalid consistency level')

/** The parts of a request that the handling of its body needs. */
export interface IncomingWrite {
  readonly parsed: ParsedWriteRequest
  readonly isGzip: boolean
  /** One for each connection. */
  readonly client: Client
  /** Sends the answer. Called once, except after a bug of the relay (`onBug`). */
  answer(reply: Reply): void
}

interface ScannedBody {
  readonly body: Buffer
  /** The gzip body as the client sent it, if it did. */
  readonly packed: Buffer | undefined
  readonly scanned: ScannedLines
}

export interface IngestOptions {
  readonly config: HttpRelayConfig
  readonly relay: Pick<Relay, 'accept' | 'ask'>
  readonly memory: Memory
  readonly clock: Clock
  readonly counters: HttpCounters
  readonly onBug: (error: unknown) => void
}

export class Ingest {
  readonly #options: IngestOptions
  readonly #bodyOptions: BodyOptions
  /** At least one output takes gzip, and can get the client's compressed body. */
  readonly #forwardsGzip: boolean
  /** The last deferred work of each connection; later bodies of that connection wait for it. */
  readonly #deferred = new Map<Client, Promise<void>>()

  constructor(options: IngestOptions) {
    const { config, memory } = options
    this.#options = options
    this.#bodyOptions = { maxBytes: config.maxBodyBytes, memory }
    this.#forwardsGzip = config.outputs.some((output) => output.kind === 'http' && output.gzip)
  }

  /** Handles a body after the deferred work of earlier bodies on the same connection. */
  take(write: IncomingWrite, body: Buffer): void {
    this.#options.counters.receivedBytes += body.length
    const { client } = write
    const earlier = this.#deferred.size === 0 ? undefined : this.#deferred.get(client)
    const rest =
      earlier === undefined
        ? this.#unpack(write, body)
        : this.#chargeUntil(earlier, body.length, () => this.#unpack(write, body))
    if (rest !== undefined) this.#deferUntil(client, rest)
  }

  /** @returns the deferred work of a large body; `undefined` once the relay has the body */
  #unpack(write: IncomingWrite, body: Buffer): Promise<void> | undefined {
    const result = write.isGzip ? unpackGzip(body, this.#bodyOptions) : undefined
    if (result instanceof Promise) {
      return this.#chargeUntil(result, body.length, (unpacked) =>
        this.#unpacked(write, body, unpacked),
      )
    }
    if (result !== undefined) return this.#unpacked(write, body, result)
    return this.#scan(write, body, undefined)
  }

  /**
   * Charges a body to the memory budget while it waits for `ready`, which never rejects.
   *
   * Takes the bytes without a check of the limit: the caller has just given the same bytes back,
   * after receiving the body or after waiting with it.
   */
  #chargeUntil<T>(
    ready: Promise<T>,
    bytes: number,
    next: (value: T) => Promise<void> | undefined | void,
  ): Promise<void> {
    const { memory } = this.#options
    memory.take(bytes)
    return ready.then((value) => {
      memory.transfer(bytes)
      return next(value)
    })
  }

  #deferUntil(client: Client, rest: Promise<void>): void {
    const done = rest.catch(this.#options.onBug).finally(() => {
      if (this.#deferred.get(client) === done) this.#deferred.delete(client)
    })
    this.#deferred.set(client, done)
  }

  #unpacked(write: IncomingWrite, packed: Buffer, result: UnpackResult): Promise<void> | undefined {
    const { counters, memory } = this.#options
    // Not freed: after an early end, zlib may still be reading the body on another thread.
    if (result.kind !== 'unpacked') memory.noteGarbage(packed.length)
    switch (result.kind) {
      case 'unpacked':
        return this.#scan(write, result.body, packed)
      case 'broken':
        return this.#answerAfterAsking(write, refusedReply(400, result.error), EMPTY)
      case 'too-large':
        counters.tooLargeRequests++
        write.answer(TOO_LARGE)
        return undefined
      case 'memory-full':
        counters.memoryFullRequests++
        write.answer(MEMORY_FULL)
        return undefined
      default:
        return unreachable(result)
    }
  }

  /**
   * @param packed the gzip body as the client sent it, if it did
   * @returns the deferred rest of the scan; `undefined` once the relay has the body
   */
  #scan(write: IncomingWrite, body: Buffer, packed: Buffer | undefined): Promise<void> | undefined {
    const scan = new LineScan(body, write.parsed.scan)
    const lease = new Lease(this.#options.memory)
    const go = (isScanned: boolean): void => {
      if (!isScanned) {
        scan.drop()
        lease.end()
        return this.#refuseScanned(write, body, packed)
      }
      lease.transfer()
      return this.#process(write, { body, packed, scanned: scan.result() })
    }
    // Most bodies are a single piece.
    const rest = scan.read(SCAN_PIECE_BYTES) || timeSliced(restOf(scan, lease), this.#options.clock)
    if (typeof rest === 'boolean') {
      go(rest)
      return undefined
    }
    return this.#chargeUntil(rest, body.length + (packed?.length ?? 0), go)
  }

  #refuseScanned(write: IncomingWrite, body: Buffer, packed: Buffer = EMPTY): void {
    const { counters, memory } = this.#options
    counters.memoryFullRequests++
    memory.noteGarbage(free(body) + free(packed))
    write.answer(MEMORY_FULL)
  }

  #process(write: IncomingWrite, { body, packed, scanned }: ScannedBody): void {
    const { relay, clock, counters, memory, onBug } = this.#options
    const { parsed, client } = write
    const { lines, lineCount, refusedCount, errors } = scanned
    counters.unpackedBytes += body.length
    counters.refusedLines += refusedCount
    const ownReply = replyOf(scanned, parsed)
    const mayForward = ownReply === undefined && this.#forwardsGzip
    const asPacked = mayForward && lines === body ? packed : undefined
    if (packed !== undefined && packed !== asPacked) memory.noteGarbage(free(packed))
    if (lines !== body) memory.noteGarbage(free(body))
    if (ownReply !== undefined) return this.#answerAfterAsking(write, ownReply, lines)
    const { target } = parsed
    const receivedAtMs = clock.wallMs()
    const kind = 'lines'
    const plain: LinesWrite = { kind, target, body: lines, lineCount, receivedAtMs, client }
    const lineWrite = asPacked ? { ...plain, packed: { of: body, bytes: asPacked } } : plain
    relay.accept(lineWrite, parsed.accept).then((reply) => {
      const isPartial = refusedCount > 0 && reply.status === 204
      write.answer(isPartial ? partialReply(errors) : reply)
    }, onBug)
  }

  /** Answers with `own`, unless an output refuses the target and its refusal has precedence. */
  #answerAfterAsking(write: IncomingWrite, own: Reply, leftOver: Buffer): undefined {
    const { memory, relay, onBug } = this.#options
    memory.noteGarbage(free(leftOver))
    relay.ask(write.parsed.target).then((theirs) => write.answer(firstOf(theirs, own)), onBug)
  }
}

/** @returns false when the scan has stopped for lack of memory for its output */
function* restOf(scan: LineScan, lease: Lease): Steps<boolean> {
  while (lease.tryGrowTo(scan.heldBytesWithin(SCAN_PIECE_BYTES))) {
    if (scan.read(SCAN_PIECE_BYTES)) return true
    yield
  }
  return false
}

/** @returns `undefined` when the outputs decide on the answer */
function replyOf(scanned: ScannedLines, parsed: ParsedWriteRequest): Reply | undefined {
  const { lineCount, refusedCount, hasUnstorable, errors } = scanned
  if ((lineCount === 0 && refusedCount > 0) || hasUnstorable) return refusedReply(400, errors)
  if (parsed.hasInvalidConsistency) return INVALID_CONSISTENCY
  return lineCount === 0 ? STORED : undefined
}

/**
 * InfluxDB's order of errors: credentials and database (4xx), the body, the retention policy (500).
 *
 * @param theirs the refusal of an output, if there is one
 */
function firstOf(theirs: Reply | undefined, own: Reply): Reply {
  if (theirs === undefined) return own
  return theirs.status < 500 || own === STORED ? theirs : own
}

/** `dropped=0`, as from InfluxDB: only points count as dropped, and an unparsable line is none. */
function partialReply(errors: string): Reply {
  return refusedReply(400, `partial write: ${errors} dropped=0`)
}
