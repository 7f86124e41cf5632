/**
 * The pending ack of one write: the answers of its outputs, until the client can be answered.
 *
 * Each output has one answer, which it may correct while the decision is open (an attempt failed
 * and the next one stored the write). When several outputs refuse, the client gets the reply of the
 * output that is configured first, so that the reply does not depend on which output was faster.
 */

import {
  type AcknowledgementPolicy,
  canBeMet,
  type Decision,
  decide,
  type Tally,
} from './acknowledgement.ts'
import type { Reply } from './reply.ts'

/** `none`: the answer of this output does not count for this write, or the write is not for it. */
export type Vote = 'none' | 'open' | 'stored' | 'refused' | 'failed'

export class Ballot {
  readonly #policy: AcknowledgementPolicy
  /** By output, in the order of the configuration. */
  readonly #votes: Vote[]
  readonly #refusals: (Reply | undefined)[] = []
  /** Replies of outputs that the write is not for. */
  readonly #abstentions: (Reply | undefined)[] = []
  #body = ''

  constructor(policy: AcknowledgementPolicy, votes: Vote[]) {
    this.#policy = policy
    this.#votes = votes
  }

  /** The answer of a destination to a statement; '' = none. */
  get body(): string {
    return this.#body
  }

  /** @param body the destination's answer to a statement, or '' */
  store(outputIndex: number, body: string): void {
    this.vote(outputIndex, 'stored')
    if (this.#body === '') this.#body = body
  }

  vote(outputIndex: number, vote: Exclude<Vote, 'refused'>): void {
    if (this.#votes[outputIndex] !== 'none') this.#votes[outputIndex] = vote
  }

  refuse(outputIndex: number, reply: Reply): void {
    if (this.#votes[outputIndex] === 'none') return
    this.#votes[outputIndex] = 'refused'
    this.#refusals[outputIndex] = reply
  }

  /** The write is not for this output. The client gets `reply` if the write is for no output. */
  abstain(outputIndex: number, reply: Reply | undefined): void {
    if (this.#votes[outputIndex] === 'none') return
    this.#votes[outputIndex] = 'none'
    this.#abstentions[outputIndex] = reply
  }

  /** Counts an output that has not answered as failed: its answer will not come soon. */
  giveUpOn(outputIndex: number): void {
    if (this.#votes[outputIndex] === 'open') this.#votes[outputIndex] = 'failed'
  }

  /** Whether at least one output has stored the write. */
  get isStored(): boolean {
    return this.#votes.includes('stored')
  }

  /** Whether the missing answers could still meet the policy. */
  get canBeMet(): boolean {
    return canBeMet(this.#policy, this.#tally())
  }

  /** Counts all outputs that have not answered as failed. */
  giveUp(): void {
    for (const index of this.#votes.keys()) this.giveUpOn(index)
  }

  decision(): Decision {
    const decision = this.lastDecision()
    return decision === 'refused' && this.#mayBeOutspoken ? 'open' : decision
  }

  /** `decision` for the case that the relay waits for no further answer. */
  lastDecision(): Decision {
    const tally = this.#tally()
    if (tally.electors === 0 && this.#abstention !== undefined) return 'refused'
    return decide(this.#policy, tally)
  }

  /** The refusal for the client; only after the decision `refused`. */
  refusal(): Reply {
    const isStanding = (each: unknown, index: number) => each && this.#votes[index] === 'refused'
    const reply = this.#refusals.find(isStanding) ?? this.#abstention
    if (reply === undefined) throw new Error('BUG: refused without a refusal')
    return reply
  }

  get #abstention(): Reply | undefined {
    return this.#abstentions.find((each) => each !== undefined)
  }

  /**
   * True when an output configured before the first refusing one has not answered yet: if it also
   * refuses, the client must get its reply.
   */
  get #mayBeOutspoken(): boolean {
    const firstOpen = this.#votes.indexOf('open')
    return firstOpen >= 0 && firstOpen < this.#votes.indexOf('refused')
  }

  #tally(): Tally {
    let stored = 0
    let refused = 0
    let failed = 0
    let open = 0
    for (const vote of this.#votes) {
      if (vote === 'stored') stored++
      else if (vote === 'refused') refused++
      else if (vote === 'failed') failed++
      else if (vote === 'open') open++
    }
    return { electors: stored + refused + failed + open, stored, refused, failed }
  }
}
