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
 * because the rest may itself have overtaken the first request inside that server. With the rest
 * sent only once, a later write overtook in 1 of 20 trials (docs/decisions/rest-sent-twice.md).
 *
 * A client is told as soon as the answer is known to be about its write. The write is settled here
 * when all of its lines are.
 *
 * Limits: a write's lines are split SPLITS_MAX times (stream/batch.ts). Lines still unexplained
 * after that count as refused, by the destination's own count.
 */

import type { Verdict } from '../destinations/destination.ts'
import { withDropped } from '../line-protocol/rejected/cause.ts'
import { type PartitionedBody, partitionRefused } from '../line-protocol/rejected/partition.ts'
import type { Entry } from '../log/entry.ts'
import type { Clock } from '../std/clock.ts'
import { timeSliced } from '../std/time-slicing.ts'
import { type Reply, refusedReply } from '../write/reply.ts'
import type { OutputMessages } from './reporting/output-messages.ts'
import { Batch, type Delivery, type Slice } from './stream/batch.ts'
import type { StreamQueue } from './stream/stream-queue.ts'

type Partly = Extract<Verdict, { kind: 'partly' }>
export type PartitionedPartly = Partly & {
  /** Per slice of the batch; `undefined` when the refused lines cannot be found. */
  readonly partitioned: readonly PartitionedBody[] | undefined
}

export interface RejectedLinesOptions {
  readonly messages: OutputMessages
  readonly clock: Clock
  /** One slice of a delivery is done. */
  readonly finish: (stream: StreamQueue, delivery: Delivery) => void
  /** This output refuses at least part of an entry; other lines may still be pending here. */
  readonly onRefused: (entry: Entry, reply: Reply) => void
}

export class RejectedLines {
  readonly #options: RejectedLinesOptions

  constructor(options: RejectedLinesOptions) {
    this.#options = options
  }

  /** Finds which lines of a batch are refused. Changes nothing. */
  async partition(batch: Batch, verdict: Partly): Promise<PartitionedPartly> {
    const { refusedCount, cause } = verdict
    // Only line protocol can be split into lines.
    const isLines = batch.slices.every(({ write }) => write.kind === 'lines')
    if (!isLines || refusedCount === undefined || refusedCount === 0) {
      return { ...verdict, partitioned: undefined }
    }
    const bodies = batch.slices.map(({ write }) => write.body)
    const partitioning = partitionRefused(bodies, cause, refusedCount)
    return { ...verdict, partitioned: await timeSliced(partitioning, this.#options.clock) }
  }

  /** Some lines of the stream's first batch are refused: removes them. */
  partly(stream: StreamQueue, batch: Batch, { reply, partitioned = [] }: PartitionedPartly): void {
    const { onlySlice } = batch
    const kept: Slice[] = []
    for (const [index, slice] of batch.slices.entries()) {
      const { keptCount, kept: body, refused, refusedCount } = partitioned[index] ?? missing()
      if (refusedCount === 0) {
        kept.push(slice)
        continue
      }
      const ownError = onlySlice ? reply.error : withDropped(reply.error, refusedCount)
      this.#refuseLines(slice.delivery, { ...reply, error: ownError }, refused, refusedCount)
      this.tell(slice.delivery, reply)
      if (keptCount === 0) this.#options.finish(stream, slice.delivery)
      else
        kept.push({
          delivery: slice.delivery,
          write: { ...slice.write, body, lineCount: keptCount },
        })
    }
    const rest = new Batch(kept, { ...batch.traits, mayStillBeApplied: true })
    stream.replaceHead(...(kept.length === 0 ? [] : [rest]))
  }

  /** All of the stream's first batch is refused. */
  whole(stream: StreamQueue, batch: Batch, reply: Reply): void {
    stream.replaceHead()
    this.#refuseAll(stream, batch, reply)
  }

  /** The stream's first batch is a statement that the destination does not support. */
  unsupported(stream: StreamQueue, batch: Batch, reply: Reply): void {
    stream.replaceHead()
    this.#options.messages.unsupported(batch.target, reply)
    for (const { delivery } of batch.slices) {
      delivery.noteUnsupported(reply)
      this.#options.finish(stream, delivery)
    }
  }

  /** Rejects a batch as poison; the batch was already taken out of the stream. */
  poison(stream: StreamQueue, batch: Batch): void {
    const why = batch.lastFailure
    this.#options.messages.rejectedPoison(batch, why)
    this.#refuseAll(stream, batch, refusedReply(500, `the server fails on this write: ${why}`))
  }

  /** Nothing shows which lines are refused, and the batch cannot be split. */
  unexplained(stream: StreamQueue, batch: Batch, { reply, refusedCount }: Partly): void {
    // A request of one write: the client would have got the same answer without a relay.
    if (batch.onlySlice !== undefined) this.tell(batch.onlySlice.delivery, reply)
    stream.replaceHead()
    for (const { delivery, write } of batch.slices) {
      const lineCount = Math.min(refusedCount ?? write.lineCount, write.lineCount)
      this.#refuseLines(delivery, reply, write.body, lineCount)
      this.#options.finish(stream, delivery)
    }
  }

  #refuseAll(stream: StreamQueue, batch: Batch, reply: Reply): void {
    for (const { delivery, write } of batch.slices) {
      this.#refuseLines(delivery, reply, write.body, write.lineCount)
      this.#options.finish(stream, delivery)
    }
  }

  #refuseLines(delivery: Delivery, reply: Reply, lines: Buffer, lineCount: number): void {
    const { clock, messages } = this.#options
    const { target, client } = delivery.entry.write
    delivery.refuse(lineCount, reply, lines)
    client?.noteRefusal(clock.monotonicMs())
    messages.refused({ target, lineCount, reply })
  }

  /** The refusal is certainly about this write: its client can be told. */
  tell(delivery: Delivery, reply: Reply): void {
    delivery.explain(reply)
    this.#options.onRefused(delivery.entry, delivery.reply ?? reply)
  }
}

function missing(): never {
  throw new Error('BUG: a body was not partitioned')
}
