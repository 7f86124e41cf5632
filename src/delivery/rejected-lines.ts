/**
 * Handles lines that a destination refuses for good, and the lines that were sent with them.
 *
 *     partly ──lines found by the text of the answer──▶ refused; the rest is sent again
 *        └───── not found ──▶ halves
 *     split ──▶ halves ──▶ … ──▶ a write, or a line, that is refused alone
 *
 * The cursor passes a request only on a success, never on a partial refusal. InfluxDB answers with
 * a partial refusal as soon as one shard has refused, while it still writes other shards, and the
 * next request would overtake those. So the rest is sent until it is stored, and then once more,
 * because the rest may itself have overtaken the first request inside that server (in 1 of 20
 * trials with one repetition).
 *
 * A client is told as soon as the answer is known to be about its write. The write is settled here
 * when all of its lines are.
 *
 * Limits: a write's lines are split SPLITS_MAX times. Lines still unexplained after that count as
 * refused, by the destination's own count.
 */

import type { Verdict } from '../destinations/destination.ts'
import { withDropped } from '../line-protocol/rejected/refusal-clue.ts'
import { type SiftedBody, siftRefused } from '../line-protocol/rejected/refused-lines.ts'
import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import { inSlices } from '../std/slices.ts'
import { type Reply, refusedReply } from '../write/reply.ts'
import type { Backlog } from './backlog.ts'
import { Group, type GroupTraits, type Part, type Taken } from './part.ts'
import type { OutputLog } from './reporting/output-messages.ts'
import type { StreamDrain } from './stream-drain.ts'

const SPLITS_MAX = 256

type Partly = Extract<Verdict, { kind: 'partly' }>
export type SiftedPartly = Partly & {
  /** Per part of the group; `undefined` when the refused lines cannot be found. */
  readonly sifted: readonly SiftedBody[] | undefined
}
type Split = Extract<Verdict, { kind: 'split' }>

export interface RefusalsOptions {
  readonly backlog: Backlog
  readonly log: OutputLog
  readonly clock: Clock
  /** One part of a taken entry is done. */
  readonly finish: (stream: StreamDrain, taken: Taken) => void
  /** This output refuses at least part of an entry; other lines may still be pending here. */
  readonly onRefused: (entry: Entry, reply: Reply) => void
}

export class Refusals {
  readonly #options: RefusalsOptions

  constructor(options: RefusalsOptions) {
    this.#options = options
  }

  /** Finds which lines of a group are refused. Changes nothing. */
  async sift(group: Group, verdict: Partly): Promise<SiftedPartly> {
    const { refusedCount, clue } = verdict
    // Only line protocol can be split into lines.
    const isLines = group.parts.every(({ write }) => write.kind === 'lines')
    if (!isLines || refusedCount === undefined || refusedCount === 0) {
      return { ...verdict, sifted: undefined }
    }
    const bodies = group.parts.map(({ write }) => write.body)
    const sifting = siftRefused(bodies, clue, refusedCount)
    return { ...verdict, sifted: await inSlices(sifting, this.#options.clock) }
  }

  /** Some lines of the stream's first group are refused: removes them, or halves the group. */
  partly(stream: StreamDrain, group: Group, verdict: SiftedPartly): void {
    const { reply, sifted } = verdict
    if (sifted === undefined) return this.#partlyUnexplained(stream, group, verdict)
    const { onlyPart } = group
    const kept: Part[] = []
    for (const [index, part] of group.parts.entries()) {
      const { keptCount, kept: body, refused, refusedCount } = sifted[index] ?? missing()
      if (refusedCount === 0) {
        kept.push(part)
        continue
      }
      const ownError = onlyPart ? reply.error : withDropped(reply.error, refusedCount)
      this.#refuseLines(part.taken, { ...reply, error: ownError }, refused, refusedCount)
      this.#tell(part.taken, reply)
      if (keptCount === 0) this.#options.finish(stream, part.taken)
      else kept.push({ taken: part.taken, write: { ...part.write, body, lineCount: keptCount } })
    }
    const rest = new Group(kept, { ...group.traits, isUnsettled: true })
    stream.groups.splice(0, 1, ...(kept.length === 0 ? [] : [rest]))
  }

  /** The stream's first group is refused whole, nothing is stored: bisects to find the bad line. */
  split(stream: StreamDrain, group: Group, { downTo, reply }: Split): void {
    if (isExhausted(group) || !this.#halve(stream, group, downTo, {})) {
      this.whole(stream, group, reply)
    }
  }

  /** All of the stream's first group is refused. */
  whole(stream: StreamDrain, group: Group, reply: Reply): void {
    stream.groups.shift()
    this.#refuseAll(stream, group, reply)
  }

  /** The stream's first group is a statement that the destination does not support. */
  unsupported(stream: StreamDrain, group: Group, reply: Reply): void {
    stream.groups.shift()
    this.#options.log.unsupported(group.target, reply)
    for (const { taken } of group.parts) {
      taken.pass(reply)
      this.#options.finish(stream, taken)
    }
  }

  /** Replaces the stream's first group with its halves. @returns whether it can be halved */
  #halve(
    stream: StreamDrain,
    group: Group,
    downTo: 'write' | 'line',
    traits: Partial<GroupTraits>,
  ): boolean {
    const halves = group.halves(downTo, traits)
    if (halves === undefined) return false
    this.#options.backlog.counters.splitBatches++
    stream.groups.splice(0, 1, ...halves)
    return true
  }

  /** Rejects a group as poison; the group was already taken out of the stream. */
  poison(stream: StreamDrain, group: Group): void {
    const why = group.lastFailure
    this.#options.log.rejectedPoison(group, why)
    this.#refuseAll(stream, group, refusedReply(500, `the server fails on this write: ${why}`))
  }

  #partlyUnexplained(stream: StreamDrain, group: Group, { reply, refusedCount }: Partly): void {
    const { onlyPart } = group
    // A request of one write: the client would have got the same answer without a relay.
    if (onlyPart !== undefined) this.#tell(onlyPart.taken, reply)
    if (!isExhausted(group) && this.#halve(stream, group, 'line', { isUnsettled: true })) return
    stream.groups.shift()
    for (const { taken, write } of group.parts) {
      const lineCount = Math.min(refusedCount ?? write.lineCount, write.lineCount)
      this.#refuseLines(taken, reply, write.body, lineCount)
      this.#options.finish(stream, taken)
    }
  }

  #refuseAll(stream: StreamDrain, group: Group, reply: Reply): void {
    for (const { taken, write } of group.parts) {
      this.#refuseLines(taken, reply, write.body, write.lineCount)
      this.#options.finish(stream, taken)
    }
  }

  #refuseLines(taken: Taken, reply: Reply, lines: Buffer, lineCount: number): void {
    const { clock, log } = this.#options
    const { target, client } = taken.entry.write
    taken.refuse(lineCount, reply, lines)
    client?.noteRefusal(clock.monotonicMs())
    log.refused({ target, lineCount, reply })
  }

  #tell(taken: Taken, reply: Reply): void {
    taken.explain(reply)
    this.#options.onRefused(taken.entry, taken.reply ?? reply)
  }
}

function isExhausted({ onlyPart }: Group): boolean {
  return onlyPart !== undefined && onlyPart.taken.splitCount >= SPLITS_MAX
}

function missing(): never {
  throw new Error('BUG: a body was not sifted')
}
