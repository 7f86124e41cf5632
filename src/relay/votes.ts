/**
 * The two ends of a ballot: turns outputs and outcomes into votes, and decisions into replies.
 */

import { unreachable } from '../std/errors.ts'
import type { Decision } from '../write/acknowledgement.ts'
import type { Ballot, Vote } from '../write/ballot.ts'
import type { Outcome } from '../write/outcome.ts'
import { type Reply, STORED, unavailableReply } from '../write/reply.ts'
import { RETRY_AFTER_S } from './admission.ts'

/**
 * The votes on a write to a database before it is sent. An output that is down or catching up
 * starts as failed: no client waits for it.
 *
 * @param electors by output, whether it is a voter
 */
export function firstVotes(
  outputs: readonly { canVote(database: string): boolean }[],
  electors: readonly boolean[],
  database: string,
): Vote[] {
  const votes: Vote[] = []
  for (let i = 0; i < outputs.length; i++) {
    if (!electors[i]) votes.push('none')
    else votes.push(outputs[i]?.canVote(database) ? 'open' : 'failed')
  }
  return votes
}

export function castVote(ballot: Ballot, index: number, outcome: Outcome): void {
  switch (outcome.kind) {
    case 'delivered':
      return ballot.store(index, outcome.body)
    case 'refused':
    case 'dead-lettered':
      return ballot.refuse(index, outcome.reply)
    case 'filtered':
      return ballot.abstain(index, outcome.reply)
    case 'withdrawn':
      return ballot.vote(index, 'failed')
    case 'dropped':
      // The lines that fitted into datagrams were sent, and the others are never retried: counts as
      // stored.
      return ballot.vote(index, isSent(outcome.reason) ? 'stored' : 'failed')
    default:
      return unreachable(outcome)
  }
}

function isSent(reason: Extract<Outcome, { kind: 'dropped' }>['reason']): boolean {
  return reason === 'over-mtu' || reason === 'send-error'
}

/** The reply to the client; `open` means that `ack-timeout` is over. */
export function replyTo(decision: Decision, ballot: Ballot): Reply {
  switch (decision) {
    case 'stored':
      return ballot.body === '' ? STORED : { ...STORED, status: 200, body: ballot.body }
    case 'refused':
      return ballot.refusal()
    case 'unavailable':
      return unavailable(`${ballot.isStored ? 'too few outputs' : 'no output'} stored them`)
    case 'open':
      return unavailable('not decided within ack-timeout')
    default:
      return unreachable(decision)
  }
}

function unavailable(why: string): Reply {
  return unavailableReply(`unable to write points: ${why}`, RETRY_AFTER_S)
}
