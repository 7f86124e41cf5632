/**
 * When the client may be told yes, and what it is told otherwise: DESIGN's votes, as arithmetic.
 *
 * Every elector (an output whose word counts) has one vote on a write. An elector that is down or
 * behind has failed from the start: it is not waited for. The decision falls as soon as no further
 * vote can change it.
 */

import { unreachable } from '../std/errors.ts'

export const ACKNOWLEDGEMENTS = ['any', 'quorum', 'all', 'log'] as const
export type AcknowledgementPolicy = (typeof ACKNOWLEDGEMENTS)[number]

export interface Tally {
  /** Outputs with a vote on this write. */
  readonly electors: number
  readonly stored: number
  /** Refused for good. */
  readonly refused: number
  /** Down, behind, unreachable, overloaded: may heal. */
  readonly failed: number
}

export type Decision = 'open' | 'stored' | 'refused' | 'unavailable'

/** How many electors must have stored the write before the client is told yes. */
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
 * Decides a write from the votes so far; the order in which they came plays no part.
 *
 * A refusal beats a failure, because the client must not send again what will be refused again. But
 * it waits while the votes still out could meet the policy: a vote that may say yes is not passed
 * over.
 */
export function decide(policy: AcknowledgementPolicy, tally: Tally): Decision {
  const { electors, stored, refused, failed } = tally
  // Every elector's filter let nothing of the write through: there is nobody to store it, and no
  // reason not to.
  if (electors === 0) return 'stored'
  if (stored >= storedNeeded(policy, electors)) return 'stored'
  if (canBeMet(policy, tally)) return 'open'
  const open = electors - stored - refused - failed
  // It cannot be met any more, and a refusal outweighs whatever else is said.
  if (refused > 0) return 'refused'
  return open === 0 ? 'unavailable' : 'open'
}

/**
 * Whether a write can still be answered yes. Asked before it is appended: what is known to end in a
 * 503 must not leave a copy in the log for each time that the client comes back with it.
 */
export function canBeMet(policy: AcknowledgementPolicy, tally: Tally): boolean {
  const { electors, refused, failed } = tally
  return electors === 0 || electors - refused - failed >= storedNeeded(policy, electors)
}

/** Being on the disk is as good as a vote: the write reaches every output, whatever happens. */
export function isKeptEnough(policy: AcknowledgementPolicy): boolean {
  return policy === 'any' || policy === 'log'
}

const STRENGTH: Readonly<Record<AcknowledgementPolicy, number>> = {
  log: 0,
  any: 1,
  quorum: 2,
  all: 3,
}

/** The stronger of the relay's own policy and the one that a request asks for. */
export function strongerPolicy(
  own: AcknowledgementPolicy,
  asked: AcknowledgementPolicy | undefined,
): AcknowledgementPolicy {
  return asked !== undefined && STRENGTH[asked] > STRENGTH[own] ? asked : own
}
