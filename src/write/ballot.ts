/**
 * The votes on one write, until the client can be told.
 *
 * One vote per output, which may be corrected as long as the ballot is open (an attempt failed, the
 * next one stored). Of several refusals the one of the first configured output is passed on, so
 * that the client's answer does not depend on which output was faster.
 */

import {
  type AcknowledgementPolicy,
  canBeMet,
  type Decision,
  decide,
  type Tally,
} from './acknowledgement.ts'
import type { Reply } from './reply.ts'

/** `none`: this output's word does not count here, or it has none. */
export type Vote = 'none' | 'open' | 'stored' | 'refused' | 'failed'

export class Ballot {
  readonly #policy: AcknowledgementPolicy
  /** By output, in the order of the configuration. */
  readonly #votes: Vote[]
  readonly #refusals: (Reply | undefined)[] = []
  /** What outputs say that the write is not for. */
  readonly #abstentions: (Reply | undefined)[] = []
  #body = ''

  constructor(policy: AcknowledgementPolicy, votes: Vote[]) {
    this.#policy = policy
    this.#votes = votes
  }

  /** A destination's answer to a statement; '' = none. */
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

  /** The write is not for this output. `reply` is passed on if it is for no output at all. */
  abstain(outputIndex: number, reply: Reply | undefined): void {
    if (this.#votes[outputIndex] === 'none') return
    this.#votes[outputIndex] = 'none'
    this.#abstentions[outputIndex] = reply
  }

  /** A vote that is still out will not come soon. */
  giveUpOn(outputIndex: number): void {
    if (this.#votes[outputIndex] === 'open') this.#votes[outputIndex] = 'failed'
  }

  /** Whether at least one output has stored it. */
  get isStored(): boolean {
    return this.#votes.includes('stored')
  }

  /** Whether the votes that are still out could meet the policy. */
  get canBeMet(): boolean {
    return canBeMet(this.#policy, this.#tally())
  }

  /** No vote that is still out is waited for. */
  giveUp(): void {
    for (const index of this.#votes.keys()) this.giveUpOn(index)
  }

  decision(): Decision {
    const decision = this.lastDecision()
    return decision === 'refused' && this.#mayBeOutspoken ? 'open' : decision
  }

  /** As `decision`, when nobody is waited for any longer. */
  lastDecision(): Decision {
    const tally = this.#tally()
    if (tally.electors === 0 && this.#abstention !== undefined) return 'refused'
    return decide(this.#policy, tally)
  }

  /** The refusal to pass on; only after the decision `refused`. */
  refusal(): Reply {
    const isStanding = (each: unknown, index: number) => each && this.#votes[index] === 'refused'
    const reply = this.#refusals.find(isStanding) ?? this.#abstention
    if (reply === undefined) throw new Error('BUG: refused without a refusal')
    return reply
  }

  get #abstention(): Reply | undefined {
    return this.#abstentions.find((each) => each !== undefined)
  }

  /** An output before the first that has refused may still refuse, in words of its own. */
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
