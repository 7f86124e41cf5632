/**
 * The connection to a UDP receiver: a socket connected to the current address of its host, and the
 * datagrams in flight.
 *
 * The host name is looked up on opening, every REFRESH_INTERVAL_MS, and after a send error. When
 * the address has changed, a new socket takes over, and the old socket is closed once no datagram
 * is in flight. Without an address, each call of `ready` looks the name up again and returns the
 * reason of a failure, so the caller decides how often.
 *
 * Limits: IN_FLIGHT_MAX datagrams in flight; beyond that number `room` waits. A full send buffer
 * has that effect: the system holds datagrams back, and nothing is dropped here.
 *
 * The system reports a refusal (ICMP) of an earlier datagram as the error of a later send, and does
 * not say which datagram was refused. The later datagram was not sent, so it is sent again; the
 * refusal is logged at a limited rate.
 *
 * Closing cancels a running lookup instead of waiting; a socket that opens afterwards is closed at
 * once.
 */

import { type HostAddress, knownAddresses, type ResolveHost } from '../../net/udp-host.ts'
import { connectUdpSocket, type UdpSocket } from '../../net/udp-socket.ts'
import type { Clock, Timer } from '../../std/clock.ts'
import { errorCode, errorText } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'

const REFRESH_INTERVAL_MS = 30_000
/** Minimum time between two lookups of the name after send errors. */
const TROUBLE_REFRESH_MS = 1_000
const IN_FLIGHT_MAX = 256
/** Wait when the system is short of memory for datagrams, so that it can send some. */
const SHORTAGE_WAIT_MS = 5
const SHORTAGE_TRIES = 40
const LOG_INTERVAL_MS = 10_000
const CLOSED = 'the output is closed'

/** Errors that the network reported for an earlier datagram. */
const REPORTED = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET'])
const SHORTAGE = new Set(['EAGAIN', 'ENOBUFS', 'ENOMEM'])

export interface UdpLinkOptions {
  /** Output name, for logs. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly resolve: ResolveHost
  readonly clock: Clock
  readonly logger: Logger
  /** Default: a real socket. */
  readonly connect?: typeof connectUdpSocket
}

/** Called once; with `error` when the datagram never left the machine. */
export type SendDone = (error: Error | undefined) => void

export class UdpLink implements AsyncDisposable {
  readonly #options: UdpLinkOptions
  readonly #refusalLog: LogThrottle
  readonly #lookupLog: LogThrottle
  readonly #isName: boolean
  readonly #closing = new AbortController()
  #socket: UdpSocket | undefined
  #address = ''
  /** The socket can no longer send, for example because its local address was removed. */
  #isBroken = false
  #connecting: Promise<string> | undefined
  #connectedAtMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #retired: UdpSocket[] = []
  #inFlight = 0
  #waiting: (() => void)[] = []
  #refusals = 0

  constructor(options: UdpLinkOptions) {
    this.#options = options
    this.#refusalLog = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#lookupLog = new LogThrottle(options.clock, LOG_INTERVAL_MS)
    this.#isName = knownAddresses(options.host, '').length === 0
    this.#scheduleRefresh()
  }

  /** A datagram may be sent without calling `ready` first. */
  get isReady(): boolean {
    return this.#socket !== undefined && !this.#isBroken
  }

  get hasRoom(): boolean {
    return this.#inFlight < IN_FLIGHT_MAX
  }

  /** Never rejects. @returns '' once a socket is connected, otherwise the reason why none is */
  async ready(): Promise<string> {
    if (this.#isClosed) return CLOSED
    return this.isReady ? '' : this.#connect()
  }

  /** Resolves when a datagram has left. Other callers may wake too: check `hasRoom` again. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      if (this.hasRoom) resolve()
      else this.#waiting.push(resolve)
    })
  }

  send(bytes: Buffer, done: SendDone): void {
    this.#inFlight++
    this.#attempt(bytes, done, 1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#timer?.cancel()
    const sockets = [...this.#retired, ...(this.#socket === undefined ? [] : [this.#socket])]
    this.#socket = undefined
    this.#retired = []
    await Promise.all(sockets.map((socket) => socket.close()))
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  #attempt(bytes: Buffer, done: SendDone, tries: number): void {
    const socket = this.#socket
    if (socket === undefined) return this.#finish(done, new Error(CLOSED))
    socket.inner.send(bytes, (error) => {
      if (error === null || error === undefined) return this.#finish(done, undefined)
      const code = errorCode(error)
      if (REPORTED.has(code)) this.#noteRefusal(error)
      if (this.#isClosed) return this.#finish(done, error)
      // Try once more at once: the system has cleared the refusal by reporting it.
      if (REPORTED.has(code) && tries === 1) return this.#attempt(bytes, done, 2)
      if (SHORTAGE.has(code) && tries < SHORTAGE_TRIES) {
        const again = () => this.#attempt(bytes, done, tries + 1)
        this.#options.clock.startTimer(SHORTAGE_WAIT_MS, again)
        return
      }
      if (code !== 'EMSGSIZE') this.#noteBroken()
      this.#finish(done, error)
    })
  }

  #finish(done: SendDone, error: Error | undefined): void {
    this.#inFlight--
    if (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      for (const wake of waiting) wake()
    }
    if (this.#inFlight === 0 && this.#retired.length > 0) this.#closeRetired()
    done(error)
  }

  #connect(): Promise<string> {
    this.#connecting ??= this.#lookUpAndConnect().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  /**
   * Keeps the current socket when the name still has its address, or when no other address works.
   */
  async #lookUpAndConnect(): Promise<string> {
    const { host, port, resolve, connect = connectUdpSocket } = this.#options
    this.#connectedAtMs = this.#options.clock.monotonicMs()
    let failure: unknown
    try {
      const addresses = await resolve(host, this.#closing.signal)
      const isKept = addresses.some((each) => each.address === this.#address)
      if (isKept && this.isReady) return ''
      // The first address that connects: IPv6 addresses fail on a machine without IPv6.
      for (const address of addresses) {
        if (this.#isClosed) return CLOSED
        try {
          return this.#take(await connect({ ...address, port }), address)
        } catch (error) {
          failure = error
        }
      }
    } catch (error) {
      failure = error
    }
    if (this.#isClosed) return CLOSED
    const why = `cannot connect to ${host}: ${errorText(failure)}`
    if (this.isReady) this.#noteLookupFailed(why)
    return this.isReady ? '' : why
  }

  #take(socket: UdpSocket, { address }: HostAddress): string {
    const { name, host, logger } = this.#options
    if (this.#isClosed) {
      void socket.close() // Never rejects; the disposal of this link does not wait for it.
      return CLOSED
    }
    socket.inner.on('error', (error) => this.#noteRefusal(error))
    if (this.#socket !== undefined) this.#retired.push(this.#socket)
    if (this.#inFlight === 0) this.#closeRetired()
    if (this.#isName && address !== this.#address) {
      const from = this.#address === '' ? '' : ` (before: ${this.#address})`
      logger.info({ output: name, address }, `output "${name}": ${host} is ${address}${from}`)
    }
    this.#socket = socket
    this.#address = address
    this.#isBroken = false
    return ''
  }

  #closeRetired(): void {
    // `close` never rejects, and nothing depends on its end.
    for (const socket of this.#retired) void socket.close()
    this.#retired = []
  }

  #noteRefusal(error: Error): void {
    this.#refusals++
    const { name, host, port, logger } = this.#options
    const suppressed = this.#refusalLog.hit()
    if (suppressed !== undefined) {
      const cause = errorCode(error)
      logger.warn(
        { output: name, cause, refusals: this.#refusals, suppressed },
        `output "${name}": ${host}:${port} refuses datagrams (${cause}), ` +
          `${this.#refusals} so far; the refused datagrams are lost, sending continues`,
      )
    }
    this.#refreshAfterTrouble()
  }

  #noteBroken(): void {
    const ageMs = this.#options.clock.monotonicMs() - this.#connectedAtMs
    // A new socket that fails at once does not help: do not open one for every datagram.
    if (ageMs >= TROUBLE_REFRESH_MS) this.#isBroken = true
  }

  #noteLookupFailed(why: string): void {
    const { name, logger } = this.#options
    const suppressed = this.#lookupLog.hit()
    if (suppressed === undefined) return
    const next = `sending continues to ${this.#address}${renderRepeats(suppressed)}`
    const text = `output "${name}": ${why}; ${next}`
    logger.warn({ output: name, address: this.#address, suppressed }, text)
  }

  #refreshAfterTrouble(): void {
    const ageMs = this.#options.clock.monotonicMs() - this.#connectedAtMs
    if (!this.#isName || this.#isClosed || ageMs < TROUBLE_REFRESH_MS) return
    // Never rejects; `#lookUpAndConnect` logs a failure.
    void this.#connect()
  }

  #scheduleRefresh(): void {
    if (!this.#isName) return
    const refresh = () => {
      if (this.#isClosed) return
      this.#scheduleRefresh()
      if (this.isReady) void this.#connect() // Never rejects, as above.
    }
    const { clock } = this.#options
    this.#timer = clock.startTimer(REFRESH_INTERVAL_MS, refresh, { isBackground: true })
  }
}
