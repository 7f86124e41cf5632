/**
 * The destination of log lines: a file descriptor that may be closed or full, or have no reader.
 *
 * A problem with the log must not stop the relaying of writes. So `write` only queues, and one
 * asynchronous write runs at a time. After a failure, the next line triggers a retry of the same
 * bytes. Lines that exceed the queue are dropped and counted; once there is room again, a line with
 * the count is written first.
 *
 * The destinations of pino are no alternative: in measurements with a reader that had stopped
 * reading, and with /dev/full, they hung the process at exit.
 *
 * Limits: QUEUE_MAX_BYTES in memory; `flush` waits FLUSH_MAX_MS at most.
 */

import { write } from 'node:fs'
import { type Clock, sleep } from '../std/clock.ts'
import { errorCode } from '../std/errors.ts'

const QUEUE_MAX_BYTES = 1024 * 1024
/** Most lines in a single write; about what a pipe accepts at once. */
const CHUNK_MAX_LINES = 256
/** The wait before the next attempt to write to a full pipe. */
const RETRY_MS = 50
const FLUSH_MAX_MS = 500

/** The part of fs.write that is used here; tests pass their own. */
export type WriteBytes = (
  descriptor: number,
  bytes: Buffer,
  done: (error: Error | null, writtenBytes: number) => void,
) => void

export interface LogSinkOptions {
  readonly descriptor: number
  readonly clock: Clock
  /** Renders the line that replaces dropped lines; it ends with a newline. */
  readonly renderDropped: (count: number) => string
  readonly writeBytes?: WriteBytes
}

export class LogSink {
  readonly #options: LogSinkOptions
  readonly #writeBytes: WriteBytes
  /** Lines not yet handed to the descriptor. */
  #lines: string[] = []
  /** Characters in `#lines`; close enough to bytes for a bound. */
  #queuedLength = 0
  /** The unwritten rest of the current chunk. */
  #chunk: Buffer = Buffer.alloc(0)
  #isWriting = false
  #droppedCount = 0
  #waiters: (() => void)[] = []

  constructor(options: LogSinkOptions) {
    this.#options = options
    this.#writeBytes = options.writeBytes ?? write
  }

  /** Queues a line that ends in a newline. Never throws, never waits. */
  write(line: string): void {
    if (this.#queuedLength + line.length > QUEUE_MAX_BYTES) {
      this.#droppedCount++
    } else {
      this.#push(line)
    }
    this.#pump()
  }

  /** Resolves when everything is written, has failed for now, or took too long. Never rejects. */
  async flush(): Promise<void> {
    this.#pump()
    if (!this.#isWriting) return
    const enough = new AbortController()
    const written = new Promise<void>((resolve) => this.#waiters.push(resolve))
    await Promise.race([written, sleep(this.#options.clock, FLUSH_MAX_MS, enough.signal)])
    enough.abort()
  }

  #push(line: string): void {
    this.#lines.push(line)
    this.#queuedLength += line.length
  }

  #pump(): void {
    if (this.#isWriting || !this.#takeChunk()) return
    this.#isWriting = true
    this.#writeBytes(this.#options.descriptor, this.#chunk, (error, writtenBytes) =>
      this.#onWritten(error, writtenBytes),
    )
  }

  /** @returns false when there is nothing to write */
  #takeChunk(): boolean {
    if (this.#chunk.length > 0) return true
    if (this.#droppedCount > 0 && this.#queuedLength < QUEUE_MAX_BYTES / 2) {
      this.#push(this.#options.renderDropped(this.#droppedCount))
      this.#droppedCount = 0
    }
    const lines = this.#lines.splice(0, CHUNK_MAX_LINES)
    for (const line of lines) this.#queuedLength -= line.length
    this.#chunk = Buffer.from(lines.join(''))
    return this.#chunk.length > 0
  }

  #onWritten(error: Error | null, writtenBytes: number): void {
    if (error !== null && errorCode(error) === 'EAGAIN') {
      // The pipe is full. Use a background timer: a stuck reader must not keep the process alive.
      const resume = () => {
        this.#isWriting = false
        this.#pump()
      }
      this.#options.clock.startTimer(RETRY_MS, resume, { isBackground: true })
      return
    }
    this.#isWriting = false
    if (error === null) {
      this.#chunk = this.#chunk.subarray(writtenBytes)
      this.#pump()
    }
    if (this.#isWriting) return
    // All is written; or the file is closed (EPIPE) or full (ENOSPC), and the next line retries.
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}
