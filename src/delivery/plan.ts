/**
 * What follows from a verdict on the first batch of a stream. Pure: the table of every policy of
 * the drain loop. drain.ts carries the plan out.
 *
 *     verdict, head, facts ──planAfter──▶ Plan: what becomes of the head
 *
 * A batch keeps its place in the stream over any number of attempts: failures alone drop no data.
 */

import type { DeliveredVerdict, RetryVerdict, Verdict } from '../destinations/destination.ts'
import { unreachable } from '../std/errors.ts'
import type { Reply } from '../write/reply.ts'
import type { PartitionedPartly } from './rejected-lines.ts'
import type { Batch, BatchTraits } from './stream/batch.ts'

/** A verdict, with the refused lines found where the verdict allows it. */
export type KnownVerdict = Exclude<Verdict, { kind: 'partly' }> | PartitionedPartly

/** What the plan depends on besides the verdict and the batch. */
export interface StreamFacts {
  /** `buffer-size-mb = 0`: a write has one attempt. */
  readonly hasOneAttempt: boolean
  /** Failed attempts in a row, this one included. */
  readonly failures: number
  /** Undecided poison candidates that go before the batch. */
  readonly setAsideCount: number
  /** The stream has something to send besides the batch. */
  readonly hasMore: boolean
  /** The last failure may have been caused by a poison candidate. */
  readonly isOfCandidate: boolean
  /** There is room for a hold on the target of the batch. */
  readonly canHold: boolean
}

/** What becomes of the first batch. */
export type Plan =
  /** It is stored, and that is final. */
  | { readonly kind: 'store'; readonly verdict: DeliveredVerdict }
  /** It is stored behind poison candidates: the candidates are decided first. */
  | { readonly kind: 'complete-pass'; readonly verdict: DeliveredVerdict }
  /** It is a poison candidate: its successor goes next. `isStored`: the server accepted it. */
  | { readonly kind: 'set-aside'; readonly isStored: boolean }
  | { readonly kind: 'send-again' }
  /** `isTold`: clients no longer wait for the stream. */
  | { readonly kind: 'back-off'; readonly isTold: boolean }
  /** The output is down. `restartsPass`: its death is not the fault of a candidate. */
  | { readonly kind: 'wait-until-up'; readonly restartsPass: boolean }
  | { readonly kind: 'wait-for-credentials'; readonly reply: Reply }
  | {
      readonly kind: 'halve'
      readonly downTo: 'write' | 'line'
      readonly traits: Partial<BatchTraits>
      /** The refusal, when it is certainly about the only write of the batch. */
      readonly reply: Reply | undefined
    }
  /** Its data may be poison: the halves go next, at once unless the server asks for a pause. */
  | { readonly kind: 'narrow'; readonly backsOff: boolean }
  /** There is no second attempt. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'hold'; readonly reply: Reply; readonly lacksRights: boolean }
  | { readonly kind: 'reject'; readonly reply: Reply }
  /** The refused lines are known; the others are sent again. */
  | { readonly kind: 'reject-lines'; readonly verdict: PartitionedPartly }
  /** Some lines are refused, and nothing shows which. */
  | { readonly kind: 'reject-unexplained'; readonly verdict: PartitionedPartly }
  | { readonly kind: 'unsupported'; readonly reply: Reply }

/** How often to send a batch whose lines the server may still be writing (rejected-lines.ts). */
const STORED_TIMES_MIN = 2
/** Poison candidates in one pass, as when a client repeats its poison. */
const CANDIDATES_MAX = 16

/** @param head the batch that was sent; what the verdict says about it was noted in it */
export function planAfter(verdict: KnownVerdict, head: Batch, facts: StreamFacts): Plan {
  switch (verdict.kind) {
    case 'retry':
      return planAfterFailure(verdict, head, facts)
    case 'delivered':
      return planAfterStore(verdict, head, facts)
    case 'hold':
      return planAfterHold(verdict, head, facts)
    case 'partly':
      return planAfterPartly(verdict, head)
    case 'split': {
      const { downTo, reply } = verdict
      const canHalve = !head.isExhausted && head.isDivisible(downTo)
      return canHalve
        ? { kind: 'halve', downTo, traits: {}, reply: undefined }
        : { kind: 'reject', reply }
    }
    case 'refused':
      return { kind: 'reject', reply: verdict.reply }
    case 'unsupported':
      return { kind: 'unsupported', reply: verdict.reply }
    default:
      return unreachable(verdict)
  }
}

function planAfterFailure(verdict: RetryVerdict, head: Batch, facts: StreamFacts): Plan {
  const { evidence, isDown, retryAfterMs } = verdict
  const { failures, hasMore, hasOneAttempt, isOfCandidate, setAsideCount } = facts
  // A keep-alive connection died during the request: that says nothing about the server yet.
  if (evidence === 'reset' && failures === 1) return { kind: 'send-again' }
  if (hasOneAttempt) return { kind: 'drop' }
  if (isDown) return { kind: 'wait-until-up', restartsPass: !isOfCandidate }
  if (head.isCandidate && hasMore && setAsideCount < CANDIDATES_MAX) {
    return { kind: 'set-aside', isStored: false }
  }
  // Halves go without backoff: they are few, and a wait before each would delay the rest of the
  // stream by a minute.
  const isNarrowed = head.mayBePoison && head.isDivisible('line')
  if (isNarrowed) return { kind: 'narrow', backsOff: retryAfterMs !== undefined }
  // A client is not told that its opaque body waits: after a 503 it would send the body again.
  return { kind: 'back-off', isTold: evidence !== 'unconfirmed' || head.kind !== 'opaque' }
}

function planAfterStore(verdict: DeliveredVerdict, head: Batch, facts: StreamFacts): Plan {
  const isStoredOnce = head.storedCount < STORED_TIMES_MIN
  if (head.traits.mayStillBeApplied && isStoredOnce) return { kind: 'send-again' }
  // A stored statement does not prove that the server accepts writes.
  if (facts.setAsideCount === 0 || head.kind === 'statement') return { kind: 'store', verdict }
  if (head.isCandidate) return { kind: 'set-aside', isStored: true }
  return { kind: 'complete-pass', verdict }
}

function planAfterHold(
  { scope, reply }: Extract<Verdict, { kind: 'hold' }>,
  head: Batch,
  { canHold }: StreamFacts,
): Plan {
  if (scope === 'output') return { kind: 'wait-for-credentials', reply }
  // A statement may be what ends the hold.
  if (head.kind === 'statement' || !canHold) return { kind: 'reject', reply }
  return { kind: 'hold', reply, lacksRights: scope === 'rights' }
}

function planAfterPartly(verdict: PartitionedPartly, head: Batch): Plan {
  if (verdict.partitioned !== undefined) return { kind: 'reject-lines', verdict }
  const canHalve = !head.isExhausted && head.isDivisible('line')
  if (!canHalve) return { kind: 'reject-unexplained', verdict }
  // A request of one write: the client would have got the same answer without a relay.
  const reply = head.onlySlice === undefined ? undefined : verdict.reply
  return { kind: 'halve', downTo: 'line', traits: { mayStillBeApplied: true }, reply }
}
