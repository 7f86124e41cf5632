/**
 * UDP listener: each datagram becomes one write. The sender gets no answer.
 *
 * Datagrams are cheap to send and 100,000 may arrive in a second, so the listener does little for
 * each: scan, count, offer. A bad line is dropped alone, and the good lines of its datagram are
 * kept (InfluxDB drops the whole datagram). Dropped lines are counted, and logged at a limited
 * rate.
 *
 * Life cycle: `openUdpListener` resolves with a receiving listener, or rejects. The listener
 * survives read errors, and reopens its socket on the same address when the socket has closed.
 * After REOPEN_TRIES failures in a row the listener is dead and `closed` rejects.
 */

import type { UdpRelayConfig } from '../../config/config.ts'
import type { Precision } from '../../line-protocol/precision.ts'
import { type ScannedLines, type ScanOptions, scanLines } from '../../line-protocol/scan/scan.ts'
import type { Endpoint } from '../../net/endpoint.ts'
import { type BindSocket, type BoundSocket, listenUdp } from '../../net/listen.ts'
import type { UdpSocket } from '../../net/udp-socket.ts'
import { refusalText, type WriteRefusal } from '../../relay/admission.ts'
import type { Relay } from '../../relay/relay.ts'
import { type Clock, sleep, type Timer } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { NO_CREDENTIALS, type WriteTarget, writeTarget } from '../../write/write.ts'
import { readUdpDrops } from './drops.ts'

const LOG_INTERVAL_MS = 10_000
/** Longer error texts are cut in the log: a bad line may be as long as a datagram. */
const LOGGED_ERROR_CHARS = 300
const REOPEN_TRIES = 30
const REOPEN_WAIT_MS = 100
const REOPEN_WAIT_MAX_MS = 1_000
/** After so many read errors without a datagram in between, the socket is reopened. */
const READ_ERRORS_MAX = 100
const DROPS_READ_INTERVAL_MS = 10_000

export interface UdpListenerOptions {
  readonly config: UdpRelayConfig
  readonly relay: Pick<Relay, 'acceptUnanswered' | 'memory'>
  /** The timestamp for lines without one; each datagram gets another timestamp; see G3. */
  readonly stampClock: { next(precision: Precision): string }
  readonly clock: Clock
  readonly logger: Logger
  readonly bind?: BindSocket
}

/** Counts since opening. A type, because an interface would not pass as a record of numbers. */
export type UdpListenerCounters = {
  receivedDatagrams: number
  receivedBytes: number
  /** Lines offered to the relay. */
  receivedLines: number
  /** Lines that are not valid line protocol. */
  refusedLines: number
  /** Datagrams without a single good line. */
  emptyDatagrams: number
  readErrors: number
  /** The socket was lost and opened again. */
  reopenedSockets: number
  /** Dropped by the system because the relay read too slowly; read every 10 s, Linux only. */
  systemDroppedDatagrams: number
}

export interface UdpListener extends AsyncDisposable {
  readonly address: Endpoint
  /** Resolves when disposed, rejects with a RelayError when the socket is lost for good. */
  readonly closed: Promise<void>
  /** Same as disposing. */
  close(): Promise<void>
  snapshot(): { readonly relay: string; readonly counters: Readonly<UdpListenerCounters> }
}

/** @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE */
export async function openUdpListener(options: UdpListenerOptions): Promise<UdpListener> {
  return new DatagramListener(options, await openSocket(options, options.config.bindAddress))
}

class DatagramListener implements UdpListener {
  readonly address: Endpoint
  readonly closed: Promise<void>
  readonly #options: UdpListenerOptions
  readonly #target: WriteTarget
  readonly #counters: UdpListenerCounters = {
    receivedDatagrams: 0,
    receivedBytes: 0,
    receivedLines: 0,
    refusedLines: 0,
    emptyDatagrams: 0,
    readErrors: 0,
    reopenedSockets: 0,
    systemDroppedDatagrams: 0,
  }
  readonly #scanOptions: ScanOptions
  readonly #refusedLog: LogThrottle
  readonly #errorLog: LogThrottle
  readonly #notTakenLog: LogThrottle
  readonly #end = Promise.withResolvers<void>()
  readonly #closing = new AbortController()
  #socket: UdpSocket | undefined
  #reopening: Promise<void> | undefined
  #errorsInRow = 0
  #dropsTimer: Timer | undefined
  /** The system's drop counter of the current socket, which begins at 0 for each socket. */
  #socketDrops = 0

  constructor(options: UdpListenerOptions, { socket, endpoint }: BoundSocket) {
    const { config, clock, stampClock } = options
    const { precision } = config
    this.#options = options
    // All datagrams share these options: a scan that needs a timestamp calls `stamp` itself.
    const stamp = () => stampClock.next(precision)
    this.#scanOptions = { precision, stamp, unsignedIntegers: false }
    this.address = endpoint
    this.#target = writeTarget({
      database: config.database,
      retentionPolicy: config.retentionPolicy,
      precision,
      credentials: NO_CREDENTIALS,
    })
    this.#refusedLog = new LogThrottle(clock, LOG_INTERVAL_MS)
    this.#errorLog = new LogThrottle(clock, LOG_INTERVAL_MS)
    this.#notTakenLog = new LogThrottle(clock, LOG_INTERVAL_MS)
    this.closed = this.#end.promise
    // A rejection must not end the process before the caller awaits `closed`.
    this.closed.catch(() => {})
    this.#receiveFrom(socket)
    this.#scheduleDropsRead()
  }

  snapshot() {
    return { relay: this.#options.config.name, counters: { ...this.#counters } }
  }

  /** Stops receiving. Nothing is in flight in the listener, so no deadline is needed. */
  async close(): Promise<void> {
    await this.#countDrops()
    this.#closing.abort()
    this.#dropsTimer?.cancel()
    const socket = this.#socket
    this.#socket = undefined
    await socket?.close()
    await this.#reopening
    this.#end.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #receiveFrom(socket: UdpSocket): void {
    this.#socket = socket
    this.#errorsInRow = 0
    this.#socketDrops = 0
    socket.inner.on('message', (datagram) => this.#receive(datagram))
    socket.inner.on('error', (error) => this.#noteReadError(error))
    socket.inner.once('close', () => {
      if (this.#socket === socket) this.#reopen('it has closed')
    })
  }

  #receive(datagram: Buffer): void {
    const { relay, clock } = this.#options
    const counters = this.#counters
    counters.receivedDatagrams++
    counters.receivedBytes += datagram.length
    this.#errorsInRow = 0
    const scanned = scanLines(datagram, this.#scanOptions)
    if (scanned.refusedCount > 0) this.#noteRefused(scanned)
    const { lines: body, lineCount } = scanned
    if (body !== datagram) relay.memory.noteGarbage(datagram.length)
    if (lineCount === 0) {
      counters.emptyDatagrams++
      return
    }
    counters.receivedLines += lineCount
    const receivedAtMs = clock.wallMs()
    const write = { kind: 'lines', target: this.#target, body, lineCount, receivedAtMs } as const
    const refusal = relay.acceptUnanswered(write)
    if (refusal !== undefined) this.#noteNotTaken(refusal, lineCount)
  }

  /** Logs a lost datagram for the operator; the sender gets no answer. */
  #noteNotTaken(refusal: WriteRefusal, lines: number): void {
    const suppressed = this.#notTakenLog.hit()
    if (suppressed === undefined) return
    const text = `lost a datagram of ${renderCount(lines, 'line')}: ${refusalText(refusal)}`
    this.#options.logger.warn({ refusal, lines, suppressed }, text + renderRepeats(suppressed))
  }

  #noteRefused({ refusedCount: lineCount, errors }: ScannedLines): void {
    this.#counters.refusedLines += lineCount
    const suppressed = this.#refusedLog.hit()
    if (suppressed === undefined) return
    const firstError = errors.slice(0, LOGGED_ERROR_CHARS).split('\n', 1)[0]
    const what = `${renderCount(lineCount, 'bad line')} dropped from a datagram`
    const text = `${what}: ${firstError}${renderRepeats(suppressed)}`
    this.#options.logger.warn({ lines: lineCount, suppressed }, text)
  }

  #noteReadError(error: Error): void {
    this.#counters.readErrors++
    this.#errorsInRow++
    const suppressed = this.#errorLog.hit()
    if (suppressed !== undefined) {
      const text = `read error, still receiving: ${errorText(error)}${renderRepeats(suppressed)}`
      this.#options.logger.warn({ cause: error.message, suppressed }, text)
    }
    if (this.#errorsInRow >= READ_ERRORS_MAX) this.#reopen('it only gives errors')
  }

  #reopen(why: string): void {
    if (this.#closing.signal.aborted || this.#socket === undefined) return
    const lost = this.#socket
    this.#socket = undefined
    this.#options.logger.warn({ cause: why }, `opening the UDP socket again, ${why}`)
    // Never rejects: `closed` rejects when all tries have failed.
    this.#reopening = this.#openAgain(lost)
  }

  async #openAgain(lost: UdpSocket): Promise<void> {
    const { clock } = this.#options
    await lost.close()
    let failure: unknown
    for (let tries = 1; tries <= REOPEN_TRIES; tries++) {
      try {
        const { socket } = await openSocket(this.#options, this.address)
        if (this.#closing.signal.aborted) return await socket.close()
        this.#counters.reopenedSockets++
        return this.#receiveFrom(socket)
      } catch (error) {
        failure = error
      }
      const waitMs = Math.min(REOPEN_WAIT_MS * 2 ** (tries - 1), REOPEN_WAIT_MAX_MS)
      await sleep(clock, waitMs, this.#closing.signal)
      if (this.#closing.signal.aborted) return
    }
    this.#end.reject(failure)
  }

  #scheduleDropsRead(): void {
    // Never rejects: without a counter of the system the result is 0.
    const read = () => void this.#readDrops()
    const { clock } = this.#options
    this.#dropsTimer = clock.startTimer(DROPS_READ_INTERVAL_MS, read, { isBackground: true })
  }

  async #readDrops(): Promise<void> {
    await this.#countDrops()
    if (!this.#closing.signal.aborted) this.#scheduleDropsRead()
  }

  async #countDrops(): Promise<void> {
    const drops = await readUdpDrops(this.address.port)
    // A closed socket has no counter any more.
    if (this.#closing.signal.aborted) return
    const newDrops = drops - this.#socketDrops
    this.#socketDrops = drops
    if (newDrops <= 0) return
    this.#counters.systemDroppedDatagrams += newDrops
    const text =
      `the system dropped ${renderCount(newDrops, 'datagram')} ` +
      'because they came faster than they are read; a larger read-buffer bridges bursts'
    this.#options.logger.warn({ datagrams: newDrops }, text)
  }
}

async function openSocket(
  { config, logger, bind }: UdpListenerOptions,
  endpoint: Endpoint,
): Promise<BoundSocket> {
  const bound = await listenUdp(endpoint, `relay "${config.name}"`, bind)
  setReceiveBuffer(bound.socket, config.readBufferBytes, logger)
  return bound
}

/** Sets SO_RCVBUF and reads it back, because the system silently cuts it to its own maximum. */
function setReceiveBuffer(socket: UdpSocket, wantedBytes: number, logger: Logger): void {
  if (wantedBytes === 0) return
  let cause = ''
  try {
    socket.inner.setRecvBufferSize(wantedBytes)
  } catch (error) {
    cause = ` (${errorText(error)})`
  }
  // Linux reports twice the granted size: it doubles the size for its own bookkeeping.
  const factor = process.platform === 'linux' ? 2 : 1
  const grantedBytes = Math.floor(socket.inner.getRecvBufferSize() / factor)
  if (grantedBytes >= wantedBytes) return
  const text =
    `read-buffer of ${renderBytes(wantedBytes)} was cut to ` +
    `${renderBytes(grantedBytes)} by the system${cause}; raise net.core.rmem_max to get it all`
  logger.warn({ wantedBytes, grantedBytes }, text)
}
