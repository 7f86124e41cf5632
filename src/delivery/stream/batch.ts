/**
 * The pieces in which an output sends log entries, and how a request is split.
 *
 *     entry ──filters──▶ Delivery ──▶ Slice: consecutive lines of the entry
 *     Batch: slices that are sent as one request, in order
 *
 * Merging puts neighbours into one batch. Bisecting replaces a batch with its halves, in the same
 * place, so the order is kept by construction. An entry is settled when the last slice of its
 * delivery is finished.
 *
 * Invariant: the slices of a batch are in the order of the log.
 */

import assert from 'node:assert/strict'
import type { Payload } from '../../destinations/destination.ts'
import { halveLines } from '../../line-protocol/lines/split.ts'
import type { Entry } from '../../log/entry.ts'
import { DELIVERED, type DropReason, type Outcome } from '../../write/outcome.ts'
import type { Reply } from '../../write/reply.ts'
import type { Write, WriteTarget } from '../../write/write.ts'

/** Connection resets in a row, all during the same request, before its data may be poison. */
const RESETS_MAX = 3
/** 5xx answers in a row, all to the same request, before its data may be poison. */
const ERRORS_MAX = 20
/** Unconfirmed rejections in a row (plan.ts) before the data may be poison. */
const UNCONFIRMED_MAX = 3

/** How often the lines of one write are split. */
const SPLITS_MAX = 256

/** An entry as this output sends it, until it is settled here. */
export class Delivery {
  readonly entry: Entry
  /** Lines that the output's filters leave out. */
  readonly filteredLineCount: number
  /** How often its lines were split. */
  splitCount = 0
  #openSliceCount = 1
  #refusedLineCount = 0
  readonly #refusedBodies: Buffer[] = []
  #reply: Reply | undefined
  #lost: { readonly reason: DropReason; readonly lineCount: number } | undefined
  #body = ''
  #unsupported: Reply | undefined

  constructor(entry: Entry, filteredLineCount: number) {
    this.entry = entry
    this.filteredLineCount = filteredLineCount
  }

  /** Reply for the client; `undefined` while no line was refused. */
  get reply(): Reply | undefined {
    return this.#reply
  }

  /** Keeps the first of several refusals, as a database reports one reason of many. */
  explain(reply: Reply): void {
    this.#reply ??= reply
  }

  /** @param lines the refused lines; more than `lineCount` when the refused ones are unknown */
  refuse(lineCount: number, reply: Reply, lines: Buffer): void {
    this.#refusedLineCount += lineCount
    this.#refusedBodies.push(lines)
    this.explain(reply)
  }

  lose(reason: DropReason, lineCount: number): void {
    this.#lost = { reason, lineCount: lineCount + (this.#lost?.lineCount ?? 0) }
  }

  /** @param body the destination's answer to a statement, or '' */
  store(body: string): void {
    this.#body = body
  }

  /** The destination has no such statement. */
  noteUnsupported(reply: Reply): void {
    this.#unsupported = reply
  }

  split(): void {
    this.splitCount++
    this.#openSliceCount++
  }

  /** @returns whether that was the last open slice */
  finishSlice(): boolean {
    this.#openSliceCount--
    return this.#openSliceCount === 0
  }

  outcome(): Outcome {
    if (this.#unsupported !== undefined) return { kind: 'filtered', reply: this.#unsupported }
    if (this.#lost !== undefined) {
      return { kind: 'dropped', ...this.#lost, refusedLineCount: this.#refusedLineCount }
    }
    if (this.#refusedLineCount > 0 && this.#reply !== undefined) {
      const reply = this.#isPartlyStored
        ? asPartial(this.#reply, this.#refusedLineCount)
        : this.#reply
      const bodies = this.#refusedBodies
      return { kind: 'refused', reply, lineCount: this.#refusedLineCount, bodies }
    }
    return this.#body === '' ? DELIVERED : { kind: 'delivered', body: this.#body }
  }

  get #isPartlyStored(): boolean {
    return this.#refusedLineCount < this.entry.write.lineCount - this.filteredLineCount
  }
}

/** For a body that was refused whole, then stored in part because we sent its lines separately. */
function asPartial(reply: Reply, refusedLineCount: number): Reply {
  if (reply.error.includes('partial write')) return reply
  return {
    ...reply,
    status: 400,
    error: `partial write: ${reply.error} dropped=${refusedLineCount}`,
  }
}

export interface Slice {
  readonly delivery: Delivery
  /** The entry's write, reduced to the lines of this slice that are still to be sent. */
  readonly write: Write
}

export interface BatchTraits {
  /** The batch is a half of one that made the server fail repeatedly. */
  readonly isNarrowed: boolean
  /**
   * The batch comes from a partly refused request, whose other lines the server may still be
   * writing to a shard: it must be sent twice (rejected-lines.ts).
   */
  readonly mayStillBeApplied: boolean
}

const PLAIN: BatchTraits = { isNarrowed: false, mayStillBeApplied: false }

export class Batch {
  readonly slices: readonly Slice[]
  readonly traits: BatchTraits
  /** How often the destination stored it. */
  storedCount = 0
  /** Cause of its last failure that its data may have caused. */
  lastFailure = ''
  #resetCount = 0
  #errorCount = 0
  #unconfirmedCount = 0

  constructor(slices: readonly Slice[], traits: Partial<BatchTraits> = PLAIN) {
    this.slices = slices
    this.traits = { ...PLAIN, ...traits }
  }

  /** The target that all slices share. */
  get target(): WriteTarget {
    return this.#first.write.target
  }

  /** The kind that all slices share. */
  get kind(): Write['kind'] {
    return this.#first.write.kind
  }

  /** Its write was split so often that its lines are not split any further. */
  get isExhausted(): boolean {
    return this.onlySlice !== undefined && this.onlySlice.delivery.splitCount >= SPLITS_MAX
  }

  get lineCount(): number {
    return this.slices.reduce((sum, { write }) => sum + write.lineCount, 0)
  }

  /** The slice, if the batch has just one. */
  get onlySlice(): Slice | undefined {
    return this.slices.length === 1 ? this.slices[0] : undefined
  }

  /** Whether the data of this batch may be what makes the server fail. */
  get mayBePoison(): boolean {
    if (this.#resetCount >= RESETS_MAX || this.#errorCount >= ERRORS_MAX) return true
    if (this.#unconfirmedCount >= UNCONFIRMED_MAX) return true
    // For a half one failure is enough, because the whole has failed often. A single line needs the
    // full count: no data is rejected on one failure.
    const hasFailed = this.#resetCount + this.#errorCount + this.#unconfirmedCount > 0
    return this.traits.isNarrowed && hasFailed && this.isDivisible('line')
  }

  /** Poison candidate: suspicious, and a single line or otherwise indivisible. */
  get isCandidate(): boolean {
    return this.mayBePoison && !this.isDivisible('line')
  }

  /** A connection died while it was sent. */
  get wasReset(): boolean {
    return this.#resetCount > 0
  }

  noteEvidence(kind: 'reset' | 'error' | 'unconfirmed', why: string): void {
    this.lastFailure = why
    if (kind === 'reset') this.#resetCount++
    else if (kind === 'error') this.#errorCount++
    else this.#unconfirmedCount++
  }

  /** The batch failed for a reason that has nothing to do with its data. */
  clearEvidence(): void {
    this.#resetCount = 0
    this.#errorCount = 0
    this.#unconfirmedCount = 0
  }

  isDivisible(downTo: 'write' | 'line'): boolean {
    const slice = this.onlySlice
    if (slice === undefined) return true
    return downTo === 'line' && slice.write.kind === 'lines' && slice.write.lineCount > 1
  }

  /** Call only if the batch is divisible. @param traits set on both halves, over its own traits */
  halves(downTo: 'write' | 'line', traits: Partial<BatchTraits>): readonly [Batch, Batch] {
    assert(this.isDivisible(downTo), 'BUG: an indivisible batch is halved')
    const halves =
      this.onlySlice === undefined ? halveSlices(this.slices) : halveSlice(this.onlySlice)
    const inherited = { ...this.traits, ...traits }
    const [first, second] = halves.map((slices) => new Batch(slices, inherited))
    if (first === undefined || second === undefined) throw new Error('BUG: a half is missing')
    return [first, second]
  }

  get #first(): Slice {
    const first = this.slices[0]
    if (first === undefined) throw new Error('BUG: a batch without slices')
    return first
  }
}

function halveSlices(slices: readonly Slice[]): readonly (readonly Slice[])[] {
  const middle = Math.ceil(slices.length / 2)
  return [slices.slice(0, middle), slices.slice(middle)]
}

function halveSlice({ delivery, write }: Slice): readonly (readonly Slice[])[] {
  delivery.split()
  return halveLines(write.body, write.lineCount).map(({ body, lineCount }) => {
    return [{ delivery, write: { ...write, body, lineCount } }]
  })
}

/** The destination has stored the whole batch. */
export function storeAll({ slices }: Batch, body = ''): void {
  for (const { delivery } of slices) delivery.store(body)
}

export function toPayload({ slices, target }: Batch): Payload {
  let bytes = 0
  for (const { write } of slices) bytes += write.body.length
  return { target, writes: slices.map(({ write }) => write), bytes }
}

/** Whether two neighbours of a stream may leave in one request. */
export function isMergeable(first: Write, second: Write, nowMs: number): boolean {
  if (first.kind !== 'lines' || second.kind !== 'lines') return false
  if (first.target !== second.target && first.target.key !== second.target.key) return false
  if (first.client === second.client) return true
  return !(first.client?.isAlone(nowMs) || second.client?.isAlone(nowMs))
}
