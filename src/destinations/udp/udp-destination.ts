/**
 * UDP destination: line protocol in datagrams of at most `mtu` bytes, fire and forget.
 *
 * UDP has no answers, so `delivered` means: handed to the network. The verdict reports the known
 * losses: lines longer than `mtu`, and datagrams that the system did not take. While the host name
 * cannot be looked up, nothing is sent and the writes wait, within the output's bound.
 *
 * A statement cannot be sent in a datagram, and a receiver does not need statements: it counts as
 * delivered, although nothing is sent. A body in another format holds points that would be lost: it
 * is refused for good.
 *
 * Not here: what fits into a datagram (datagrams.ts), sockets, addresses and refusals
 * (link.ts).
 */

import { setImmediate } from 'node:timers/promises'
import type { UdpOutputConfig } from '../../config/config.ts'
import { rescaleToNanoseconds } from '../../line-protocol/lines/rescale.ts'
import type { Precision } from '../../line-protocol/precision.ts'
import { type ResolveHost, resolveHost } from '../../net/udp-host.ts'
import type { Clock } from '../../std/clock.ts'
import { errorCode } from '../../std/errors.ts'
import { LogThrottle, renderRepeats } from '../../std/log-throttle.ts'
import type { Logger } from '../../std/logger.ts'
import { renderCount } from '../../std/units.ts'
import type { DropReason } from '../../write/outcome.ts'
import { refusedReply } from '../../write/reply.ts'
import {
  ANSWERED,
  type Destination,
  type LostLines,
  type Payload,
  type ProbeResult,
  type Verdict,
} from '../destination.ts'
import { type Datagram, type DatagramPart, type Lines, packDatagrams } from './datagrams.ts'
import { UdpLink } from './link.ts'

const LOG_INTERVAL_MS = 10_000
/** Datagrams sent before other work of the event loop gets a turn: about 2 ms. */
const BURST_MAX = 256
const NOTHING_LOST: Verdict = { kind: 'delivered', body: '', lost: [] }
const NOT_LINES: Verdict = {
  kind: 'refused',
  reply: refusedReply(400, 'a UDP output sends line protocol only'),
  isUnconfirmed: false,
}

export interface UdpDestinationOptions {
  readonly config: UdpOutputConfig
  /**
   * The precision that the receiver assumes for timestamps. With `ns`, a receiver's default, writes
   * in another precision are rescaled; with any other value all writes are sent unchanged.
   */
  readonly precision: Precision
  readonly clock: Clock
  readonly logger: Logger
  /** Default: hosts file and name servers. */
  readonly resolve?: ResolveHost
}

/** Opens even while the name cannot be looked up; the first lookup runs on return. */
export async function openUdpDestination(options: UdpDestinationOptions): Promise<Destination> {
  const { config, clock, logger, precision, resolve = resolveHost } = options
  const { name, host, port } = config
  const link = new UdpLink({ name, host, port, resolve, clock, logger })
  // Not awaited: silent name servers must not delay the start. The first probe joins this lookup,
  // and its caller waits only briefly. `ready` never rejects.
  void link.ready()
  const overMtu = new LogThrottle(clock, LOG_INTERVAL_MS)
  const sendError = new LogThrottle(clock, LOG_INTERVAL_MS)
  return new LinkedDestination({ config, precision, logger, link, overMtu, sendError })
}

interface LinkedDestinationOptions {
  readonly config: UdpOutputConfig
  readonly precision: Precision
  readonly logger: Logger
  readonly link: UdpLink
  readonly overMtu: LogThrottle
  readonly sendError: LogThrottle
}

class LinkedDestination implements Destination {
  readonly #options: LinkedDestinationOptions
  readonly #link: UdpLink

  constructor(options: LinkedDestinationOptions) {
    this.#options = options
    this.#link = options.link
  }

  async send(payload: Payload): Promise<Verdict> {
    const why = this.#link.isReady ? '' : await this.#link.ready()
    if (why !== '') return notReady(why)
    const [first] = payload.writes
    if (first?.kind === 'opaque') return NOT_LINES
    const { datagrams, tooLong } = packDatagrams(this.#linesOf(payload), this.#options.config.mtu)
    const unsent = await this.#sendAll(datagrams)
    if (tooLong.length === 0 && unsent.length === 0) return NOTHING_LOST
    if (tooLong.length > 0) this.#logTooLong(tooLong)
    const lost = [...lostLines('over-mtu', tooLong), ...lostLines('send-error', unsent)]
    return { kind: 'delivered', body: '', lost: onePerWrite(lost) }
  }

  async probe(): Promise<ProbeResult> {
    const why = await this.#link.ready()
    return why === '' ? ANSWERED : { isAnswered: false, why }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  #linesOf({ writes, target }: Payload): readonly Lines[] {
    const isRescaled = this.#options.precision === 'ns' && target.precision !== 'ns'
    const lines: Lines[] = []
    // One element for each write, because losses are reported by the index of the write.
    for (const { kind, body, lineCount } of writes) {
      if (kind !== 'lines') lines.push({ body: Buffer.alloc(0), lineCount: 0 })
      else if (!isRescaled) lines.push({ body, lineCount })
      else lines.push({ body: rescaleToNanoseconds(body, target.precision), lineCount })
    }
    return lines
  }

  /** @returns the lines that the system did not send */
  async #sendAll(datagrams: readonly Datagram[]): Promise<DatagramPart[]> {
    const unsent: DatagramPart[] = []
    const sent = Promise.withResolvers<void>()
    // The datagrams in flight plus 1 for the loop itself, so that the count cannot reach 0 while
    // the loop waits for room.
    let open = 1
    const close = () => {
      open--
      if (open === 0) sent.resolve()
    }
    for (const [index, { bytes, parts }] of datagrams.entries()) {
      // `send` makes its system call synchronously: a large batch must not block the event loop.
      if (index % BURST_MAX === BURST_MAX - 1) await setImmediate()
      while (!this.#link.hasRoom) await this.#link.room()
      open++
      this.#link.send(bytes, (error) => {
        if (error !== undefined) {
          for (const part of parts) unsent.push(part)
          this.#logUnsent(error, bytes.length)
        }
        close()
      })
    }
    close()
    await sent.promise
    return unsent
  }

  #logTooLong(tooLong: readonly DatagramPart[]): void {
    const suppressed = this.#options.overMtu.hit()
    if (suppressed === undefined) return
    const { config, logger } = this.#options
    const lines = tooLong.reduce((sum, each) => sum + each.lineCount, 0)
    const text =
      `output "${config.name}": ${renderCount(lines, 'line')} longer than the mtu of ` +
      `${config.mtu} bytes: dropped; the other lines were sent${renderRepeats(suppressed)}`
    logger.warn({ output: config.name, lines, mtu: config.mtu, suppressed }, text)
  }

  #logUnsent(error: Error, bytes: number): void {
    const suppressed = this.#options.sendError.hit()
    if (suppressed === undefined) return
    const { config, logger } = this.#options
    const cause = errorCode(error) || error.message
    const text =
      `output "${config.name}": the system does not send a datagram of ${bytes} bytes ` +
      `(${cause}); its lines are dropped${renderRepeats(suppressed)}`
    logger.warn({ output: config.name, cause, bytes, suppressed }, text)
  }
}

function notReady(why: string): Verdict {
  const none = { retryAfterMs: undefined, hasBegun: false, evidence: 'none' } as const
  return { kind: 'retry', why, isDown: true, ...none }
}

function lostLines(reason: DropReason, parts: readonly DatagramPart[]): LostLines[] {
  return parts.map(({ writeIndex, lineCount }) => ({ reason, writeIndex, lineCount }))
}

/** A write has one outcome, so its losses are added up under the reason that came first. */
function onePerWrite(lost: readonly LostLines[]): LostLines[] {
  const sums = new Map<number, LostLines>()
  for (const each of lost) {
    const before = sums.get(each.writeIndex)
    const lineCount = each.lineCount + (before?.lineCount ?? 0)
    sums.set(each.writeIndex, { ...(before ?? each), lineCount })
  }
  return [...sums.values()]
}
