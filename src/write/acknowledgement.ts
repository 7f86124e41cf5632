/**
 * Decides when a client gets a success, and which answer it gets otherwise: the acks of DESIGN, as
 * arithmetic.
 *
 * Every voter (an output whose answer counts) gives one ack on a write. A voter that is down or
 * catching up counts as failed from the start: the relay does not wait for it. The decision is made
 * as soon as no further ack can change it.
 */

import { unreachable } from '../std/errors.ts'

export const ACKNOWLEDGEMENTS = ['any', 'quorum', 'all', 'log'] as const
export type AcknowledgementPolicy = (typeof ACKNOWLEDGEMENTS)[number]

export interface Tally {
  /** Count of the outputs whose answer counts for this write. */
  readonly electors: number
  readonly stored: number
  /** Outputs that refused the write for good. */
  readonly refused: number
  /** Outputs that are down, catching up, unreachable or overloaded: a temporary failure. */
  readonly failed: number
}

export type Decision = 'open' | 'stored' | 'refused' | 'unavailable'

/** Count of the voters that must store the write before the client gets a success. */
export function storedNeeded(policy: AcknowledgementPolicy, electors: number): number {
  switch (policy) {
    case 'any':
      return 1
    case 'quorum':
      return Math.floor(electors / 2) + 1
    case 'all':
      return electors
    case 'log':
      return 0 // Being in the log is enough.
    default:
      return unreachable(policy)
  }
}

/**
 * Decides a write from the acks so far; their order does not matter.
 *
 * A refusal takes precedence over a failure, because the client must not send again what would be
 * refused again. But while the missing acks could still meet the policy, the decision stays open:
 * the relay does not ignore a voter that may still store the write.
 */
export function decide(policy: AcknowledgementPolicy, tally: Tally): Decision {
  const { electors, stored, refused, failed } = tally
  // The filters of all voters rejected every line: no output has to store the write, so it counts
  // as stored.
  if (electors === 0) return 'stored'
  if (stored >= storedNeeded(policy, electors)) return 'stored'
  if (canBeMet(policy, tally)) return 'open'
  const open = electors - stored - refused - failed
  // The policy cannot be met any more, and a refusal takes precedence over all other answers.
  if (refused > 0) return 'refused'
  return open === 0 ? 'unavailable' : 'open'
}

/**
 * Whether a write can still get a success. Checked before the append: a write that is bound to end
 * in 503 must not be appended, because each retry of the client would add another copy to the log.
 */
export function canBeMet(policy: AcknowledgementPolicy, tally: Tally): boolean {
  const { electors, refused, failed } = tally
  return electors === 0 || electors - refused - failed >= storedNeeded(policy, electors)
}

/** Whether a synced write needs no ack: the relay will deliver it to every output in any case. */
export function isKeptEnough(policy: AcknowledgementPolicy): boolean {
  return policy === 'any' || policy === 'log'
}

const STRENGTH: Readonly<Record<AcknowledgementPolicy, number>> = {
  log: 0,
  any: 1,
  quorum: 2,
  all: 3,
}

/** The stronger of the relay's policy and the policy that a request asks for. */
export function strongerPolicy(
  own: AcknowledgementPolicy,
  asked: AcknowledgementPolicy | undefined,
): AcknowledgementPolicy {
  return asked !== undefined && STRENGTH[asked] > STRENGTH[own] ? asked : own
}
