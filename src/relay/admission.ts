/**
 * Admission of writes to the log, and the reply to a write that is not admitted.
 *
 * A write that is bound to end in 503 is rejected before it is appended. An appended write is
 * offered to all outputs, so otherwise each retry of the client would add another copy to every
 * backlog.
 */

import type { Ack } from '../write/acks.ts'
import { type AckPolicy, storedNeeded } from '../write/acks.ts'
import { type Reply, unavailableReply } from '../write/reply.ts'

/** `Retry-After` of a 503, seconds: a later retry of the same write may succeed. */
export const RETRY_AFTER_S = 1
/**
 * Longest expected wait with which a write is admitted, as a share of `ack-timeout`. The rest is a
 * reserve for delays that cannot be foreseen.
 */
const ADMITTED_WAIT_SHARE = 1 / 2

const TEXTS = {
  'memory-full': "the relay's memory is full (max-memory-mb)",
  'backlog-full': "an output's backlog is full (buffer-size-mb)",
  'statements-full': 'an output has too many pending statements',
  'no-output-up': 'no output is up and up to date',
  'too-few-outputs-up': 'too few outputs are up and up to date for this ack or consistency',
  overloaded: 'the outputs do not keep up',
  'log-full': 'the log on disk is full (log-max-mb)',
  'log-failing': 'the log on disk cannot be written',
  'record-too-large': 'the body is larger than a record of the log on disk may be',
  closing: 'the relay is stopping',
} as const

/** Reason for a 503 before the write was appended. */
export type WriteRefusal = keyof typeof TEXTS

/** The reason in words, for logs. */
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
  readonly policy: AckPolicy
  /** By output, before anything was sent. */
  readonly acks: readonly Ack[]
  readonly ackTimeoutMs: number
  /** Estimate of how long the write would wait at an output. */
  readonly waitMs: (outputIndex: number) => number
}

/** Whether enough outputs for the policy are expected to store the write in time. */
export function isWaitBearable({ policy, acks, ackTimeoutMs, waitMs }: WaitOptions): boolean {
  const limitMs = ackTimeoutMs * ADMITTED_WAIT_SHARE
  let voters = 0
  let inTime = 0
  for (let index = 0; index < acks.length; index++) {
    const ack = acks[index]
    if (ack === 'none') continue
    voters++
    if (ack === 'open' && waitMs(index) <= limitMs) inTime++
  }
  return voters === 0 || inTime >= storedNeeded(policy, voters)
}
