/**
 * UDP listener: each datagram that arrives becomes one write. Nobody is answered.
 *
 * A datagram is cheap to send and may come 100,000 times a second, so what is done for each is
 * little: scan, count, offer. A bad line is dropped alone, the good ones beside it are kept
 * (InfluxDB drops the whole datagram). What is dropped is counted; log lines about it come at a
 * limited rate.
 *
 * Life: `openUdpListener` returns it receiving, or rejects. It outlives read errors, and opens its
 * socket anew on the same address when that has closed; after REOPEN_TRIES failures in a row it is
 * dead and `closed` rejects.
 */

import type { UdpRelayConfig } from '../../config/config.ts'
import type { Precision } from '../../line-protocol/precision.ts'
import { type ScannedLines, type ScanOptions, scanLines } from '../../line-protocol/scan/scan.ts'
import type { UdpEndpoint, UdpSocket } from '../../net/udp-socket.ts'
import { bindUdpSocket } from '../../net/udp-socket.ts'
import { refusalText, type WriteRefusal } from '../../relay/admission.ts'
import type { Relay } from '../../relay/relay.ts'
import { type Clock, sleep, type Timer } from '../../std/clock.ts'
import { errorText } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { LogThrottle, renderRepeats } from '../../std/throttle.ts'
import { renderCount } from '../../std/units.ts'
import { NO_CREDENTIALS, type WriteTarget, writeTarget } from '../../write/write.ts'
import { type BindSocket, bindAddressOf, bindError, setReceiveBuffer } from './bind.ts'
import { readUdpDrops } from './drops.ts'

const LOG_INTERVAL_MS = 10_000
/** A bad line may be as long as a datagram. */
const LOGGED_ERROR_CHARS = 300
const REOPEN_TRIES = 30
const REOPEN_WAIT_MS = 100
const REOPEN_WAIT_MAX_MS = 1_000
/** So many read errors without one datagram between them: the socket itself is beyond help. */
const READ_ERRORS_MAX = 100
const DROPS_READ_INTERVAL_MS = 10_000

export interface UdpListenerOptions {
  readonly config: UdpRelayConfig
  readonly relay: Pick<Relay, 'offer' | 'memory'>
  /** Timestamps for lines without one, one for each datagram; see G3. */
  readonly stampClock: { next(precision: Precision): string }
  readonly clock: Clock
  readonly logger: Logger
  readonly bind?: BindSocket
}

/** Since opening. A type and not an interface: it has to pass as a record of numbers. */
export type UdpListenerCounters = {
  receivedDatagrams: number
  receivedBytes: number
  /** Lines offered to the relay. */
  receivedLines: number
  /** Lines that are not line protocol. */
  refusedLines: number
  /** Datagrams without a single good line. */
  emptyDatagrams: number
  readErrors: number
  /** The socket was lost and opened again. */
  reopenedSockets: number
  /** Thrown away by the system because we read too slowly; read every 10 s, Linux only. */
  systemDroppedDatagrams: number
}

export interface UdpListener extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number }
  /** Resolves when disposed, rejects with a RelayError when the socket is lost for good. */
  readonly closed: Promise<void>
  /** As disposing. */
  close(): Promise<void>
  snapshot(): { readonly relay: string; readonly counters: Readonly<UdpListenerCounters> }
}

/** @throws RelayError RELAY_ADDRESS_IN_USE, RELAY_ADDRESS_UNUSABLE */
export async function openUdpListener(options: UdpListenerOptions): Promise<UdpListener> {
  const { config, logger, bind = bindUdpSocket } = options
  const { socket, endpoint } = await bindAddressOf(config.bindAddress, bind)
  setReceiveBuffer(socket, config.readBufferBytes, logger)
  return new DatagramListener(options, socket, endpoint)
}

class DatagramListener implements UdpListener {
  readonly address: { readonly host: string; readonly port: number }
  readonly closed: Promise<void>
  readonly #options: UdpListenerOptions
  readonly #endpoint: UdpEndpoint
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
  /** What the system said of the present socket; it begins at 0 with each. */
  #socketDrops = 0

  constructor(options: UdpListenerOptions, socket: UdpSocket, endpoint: UdpEndpoint) {
    const { config, clock, stampClock } = options
    const { precision } = config
    this.#options = options
    // One for all datagrams: the stamp is asked for anew by each that needs one.
    const stamp = () => stampClock.next(precision)
    this.#scanOptions = { precision, stamp, unsignedIntegers: false }
    this.#endpoint = endpoint
    this.address = { host: endpoint.address, port: endpoint.port }
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
    // Whoever runs the listener looks at `closed`; until he does, a rejection must not end the
    // process.
    this.closed.catch(() => {})
    this.#receiveFrom(socket)
    this.#scheduleDropsRead()
  }

  snapshot() {
    return { relay: this.#options.config.name, counters: { ...this.#counters } }
  }

  /** Takes no datagram more. Nothing is in flight here, so there is no deadline to keep. */
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
    if (body !== datagram) relay.memory.waste(datagram.length)
    if (lineCount === 0) {
      counters.emptyDatagrams++
      return
    }
    counters.receivedLines += lineCount
    const receivedAtMs = clock.wallMs()
    const write = { kind: 'lines', target: this.#target, body, lineCount, receivedAtMs } as const
    const refusal = relay.offer(write)
    if (refusal !== undefined) this.#noteNotTaken(refusal, lineCount)
  }

  /** Nobody but the operator can be told. */
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
      const text = `read error, reading on: ${errorText(error)}${renderRepeats(suppressed)}`
      this.#options.logger.warn({ cause: error.message, suppressed }, text)
    }
    if (this.#errorsInRow >= READ_ERRORS_MAX) this.#reopen('it only gives errors')
  }

  #reopen(why: string): void {
    if (this.#closing.signal.aborted || this.#socket === undefined) return
    const lost = this.#socket
    this.#socket = undefined
    this.#options.logger.warn({ cause: why }, `opening the UDP socket again, ${why}`)
    // Never rejects: failing for good is told by `closed`.
    this.#reopening = this.#openAgain(lost)
  }

  async #openAgain(lost: UdpSocket): Promise<void> {
    const { config, clock, logger, bind = bindUdpSocket } = this.#options
    await lost.close()
    let failure: unknown
    for (let tries = 1; tries <= REOPEN_TRIES; tries++) {
      try {
        const socket = await bind(this.#endpoint)
        if (this.#closing.signal.aborted) return await socket.close()
        setReceiveBuffer(socket, config.readBufferBytes, logger)
        this.#counters.reopenedSockets++
        return this.#receiveFrom(socket)
      } catch (error) {
        failure = error
      }
      const waitMs = Math.min(REOPEN_WAIT_MS * 2 ** (tries - 1), REOPEN_WAIT_MAX_MS)
      await sleep(clock, waitMs, this.#closing.signal)
      if (this.#closing.signal.aborted) return
    }
    this.#end.reject(bindError(this.address, failure))
  }

  #scheduleDropsRead(): void {
    // Never rejects: where the system tells nothing, it reads 0.
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
    // Of a socket that is closed nothing is told any more.
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
