/**
 * What an output sends of the log's entries, and how a request is taken apart.
 *
 *     entry ──filters──▶ Taken ──▶ Part: consecutive lines of it
 *     Group: parts that leave as one request, in order
 *
 * Merging makes one group of neighbours; bisecting replaces a group by its halves, in its place, so
 * that order is kept by construction. A taken entry is settled when the last of its parts is
 * finished.
 *
 * Invariant: the parts of a group are in the order of the log.
 */

import type { Batch } from '../destinations/destination.ts'
import { halveLines } from '../line-protocol/lines/split.ts'
import type { Entry } from '../log/entry.ts'
import { DELIVERED, type DropReason, type Outcome } from '../write/outcome.ts'
import type { Reply } from '../write/reply.ts'
import type { Write, WriteTarget } from '../write/write.ts'

/** Resets in a row, all under the same request, before its data is suspected. */
const RESETS_MAX = 3
/** Answers 5xx in a row, all to the same request, before its data is suspected. */
const ERRORS_MAX = 20
/** Refusals in a row in words that are no database's, before the data is suspected. */
const DOUBTS_MAX = 3

/** An entry as this output sends it, until it is settled here. */
export class Taken {
  readonly entry: Entry
  /** Lines that the output's filters hold back. */
  readonly filteredLineCount: number
  /** Times that its lines were taken apart. */
  splitCount = 0
  #openPartCount = 1
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

  /** What its client is to be told; `undefined` while nothing of it was refused. */
  get reply(): Reply | undefined {
    return this.#reply
  }

  /** Of several refusals the first speaks, as a database names one reason of many. */
  explain(reply: Reply): void {
    this.#reply ??= reply
  }

  /** @param lines the refused ones; more than `lineCount` where nobody can tell which they are */
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
  pass(reply: Reply): void {
    this.#unsupported = reply
  }

  split(): void {
    this.splitCount++
    this.#openPartCount++
  }

  /** @returns whether that was the last one */
  finishPart(): boolean {
    this.#openPartCount--
    return this.#openPartCount === 0
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

/** A body that was refused whole, and then stored in part because we sent its lines apart. */
function asPartial(reply: Reply, refusedLineCount: number): Reply {
  if (reply.error.includes('partial write')) return reply
  return {
    ...reply,
    status: 400,
    error: `partial write: ${reply.error} dropped=${refusedLineCount}`,
  }
}

export interface Part {
  readonly taken: Taken
  /** The entry's write with those of its lines that are still to be sent. */
  readonly write: Write
}

export interface GroupTraits {
  /** What it is a half of has made the server fail again and again. */
  readonly isSuspect: boolean
  /**
   * It was part of a request that was refused in part, and may still be on its way into a shard:
   * once is not enough (rejected-lines.ts).
   */
  readonly isUnsettled: boolean
}

const PLAIN: GroupTraits = { isSuspect: false, isUnsettled: false }

export class Group {
  readonly parts: readonly Part[]
  readonly traits: GroupTraits
  /** Times that it was stored. */
  storedCount = 0
  /** Why its last attempt failed that its data may be to blame for. */
  lastFailure = ''
  /** Complete passes in a row in which it failed as a candidate for poison (poison.ts). */
  failedPasses = 0
  /** It was stored in the pass that goes on, behind a candidate that failed. */
  isStoredInPass = false
  #resetCount = 0
  #errorCount = 0
  #refusalCount = 0

  constructor(parts: readonly Part[], traits: Partial<GroupTraits> = PLAIN) {
    this.parts = parts
    this.traits = { ...PLAIN, ...traits }
  }

  /** What all of it has in common. */
  get target(): WriteTarget {
    return this.#first.write.target
  }

  get lineCount(): number {
    return this.parts.reduce((sum, { write }) => sum + write.lineCount, 0)
  }

  /** The part of a group that has no other. */
  get onlyPart(): Part | undefined {
    return this.parts.length === 1 ? this.parts[0] : undefined
  }

  /** Whether it may be the data that makes the server fail. */
  get isSuspicious(): boolean {
    if (this.#resetCount >= RESETS_MAX || this.#errorCount >= ERRORS_MAX) return true
    if (this.#refusalCount >= DOUBTS_MAX) return true
    // What it is a half of has been tried often enough; but nothing is given up on one failure.
    const hasFailed = this.#resetCount + this.#errorCount + this.#refusalCount > 0
    return this.traits.isSuspect && hasFailed && this.isDivisible('line')
  }

  /** A single line, or what cannot be taken apart, that may be what makes the server fail. */
  get isCandidate(): boolean {
    return this.isSuspicious && !this.isDivisible('line')
  }

  /** Connections have died under it. */
  get wasReset(): boolean {
    return this.#resetCount > 0
  }

  noteSuspicion(kind: 'reset' | 'error' | 'doubt', why: string): void {
    this.lastFailure = why
    if (kind === 'reset') this.#resetCount++
    else if (kind === 'error') this.#errorCount++
    else this.#refusalCount++
  }

  /** It failed for a reason that is none of the data's. */
  clearSuspicion(): void {
    this.#resetCount = 0
    this.#errorCount = 0
    this.#refusalCount = 0
  }

  isDivisible(downTo: 'write' | 'line'): boolean {
    const part = this.onlyPart
    if (part === undefined) return true
    return downTo === 'line' && part.write.kind === 'lines' && part.write.lineCount > 1
  }

  /**
   * @param traits what is to be known of both halves beside what is known of the whole
   * @returns `undefined` when it cannot be taken apart any further
   */
  halves(
    downTo: 'write' | 'line',
    traits: Partial<GroupTraits> = {},
  ): readonly [Group, Group] | undefined {
    if (!this.isDivisible(downTo)) return undefined
    const halves = this.onlyPart === undefined ? halveParts(this.parts) : halvePart(this.onlyPart)
    const inherited = { ...this.traits, ...traits }
    const [first, second] = halves.map((parts) => new Group(parts, inherited))
    if (first === undefined || second === undefined) throw new Error('BUG: a half is missing')
    return [first, second]
  }

  get #first(): Part {
    const first = this.parts[0]
    if (first === undefined) throw new Error('BUG: a group without parts')
    return first
  }
}

function halveParts(parts: readonly Part[]): readonly (readonly Part[])[] {
  const middle = Math.ceil(parts.length / 2)
  return [parts.slice(0, middle), parts.slice(middle)]
}

function halvePart({ taken, write }: Part): readonly (readonly Part[])[] {
  taken.split()
  return halveLines(write.body, write.lineCount).map(({ body, lineCount }) => {
    return [{ taken, write: { ...write, body, lineCount } }]
  })
}

/** All of the group is at its destination. */
export function storeAll({ parts }: Group, body = ''): void {
  for (const { taken } of parts) taken.store(body)
}

export function toBatch({ parts, target }: Group): Batch {
  let bytes = 0
  for (const { write } of parts) bytes += write.body.length
  return { target, writes: parts.map(({ write }) => write), bytes }
}
