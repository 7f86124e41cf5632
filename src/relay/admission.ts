/**
 * Whether a write is taken into the log at all, and what a client is told of one that is not.
 *
 * Known in advance to end in a 503, a write is refused before it is appended: an appended one is
 * offered to all outputs, and every time the client comes back with it there would be one more
 * copy.
 */

import { type AcknowledgementPolicy, storedNeeded } from '../write/acknowledgement.ts'
import type { Vote } from '../write/ballot.ts'
import { type Reply, unavailableReply } from '../write/reply.ts'

/** What a client is asked to wait before it comes back with a write that may heal. */
export const RETRY_AFTER_S = 1
/**
 * Of `ack-timeout`, the longest wait for which a write is still taken: the rest is for what nobody
 * can foresee.
 */
const ADMITTED_WAIT_SHARE = 1 / 2

const TEXTS = {
  'memory-full': "the relay's memory is full (max-memory-mb)",
  'backlog-full': "an output's backlog is full (buffer-size-mb)",
  'statements-full': 'an output is owed too many statements',
  'no-output-up': 'no output is up and up to date',
  'too-few-outputs-up': 'too few outputs are up and up to date for this ack or consistency',
  overloaded: 'the outputs do not keep up',
  'log-full': 'the log on disk is full (log-max-mb)',
  'log-failing': 'the log on disk cannot be written',
  'record-too-large': 'the body is larger than a record of the log on disk may be',
  closing: 'the relay is stopping',
} as const

/** Why a write was answered 503 before it was appended. */
export type WriteRefusal = keyof typeof TEXTS

/** For people. */
export function refusalText(refusal: WriteRefusal): string {
  return TEXTS[refusal]
}

export function refusalReply(refusal: WriteRefusal): Reply {
  return unavailableReply(`unable to write points: ${TEXTS[refusal]}`, RETRY_AFTER_S)
}

/** Counters, all zero. */
export function noRefusedWrites(): Record<WriteRefusal, number> {
  return {
    'memory-full': 0,
    'backlog-full': 0,
    'statements-full': 0,
    'no-output-up': 0,
    'too-few-outputs-up': 0,
    overloaded: 0,
    'log-full': 0,
    'log-failing': 0,
    'record-too-large': 0,
    closing: 0,
  }
}

export interface WaitOptions {
  readonly policy: AcknowledgementPolicy
  /** By output, before anything was sent. */
  readonly votes: readonly Vote[]
  readonly ackTimeoutMs: number
  /** How long the write would wait at an output, as far as one knows. */
  readonly waitMs: (outputIndex: number) => number
}

/** Whether as many outputs as the policy asks for would have the write in time. */
export function isWaitBearable({ policy, votes, ackTimeoutMs, waitMs }: WaitOptions): boolean {
  const limitMs = ackTimeoutMs * ADMITTED_WAIT_SHARE
  let electors = 0
  let inTime = 0
  for (let index = 0; index < votes.length; index++) {
    const vote = votes[index]
    if (vote === 'none') continue
    electors++
    if (vote === 'open' && waitMs(index) <= limitMs) inTime++
  }
  return electors === 0 || inTime >= storedNeeded(policy, electors)
}
