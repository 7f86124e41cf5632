/**
 * Acks: when a client gets a success, and which answer it gets otherwise.
 *
 *     acks of the outputs ──▶ PendingAck ──decide──▶ stored │ refused │ unavailable │ open: wait
 *
 * Every voter (an output whose answer counts) gives one ack on a write, and may correct it while
 * the decision is open: an attempt failed, and the next one stored the write. A voter that is down
 * or catching up counts as failed from the start: the relay does not wait for it. The decision is
 * made as soon as no further ack can change it.
 *
 * When several outputs refuse, the client gets the reply of the output that is configured first, so
 * that the reply does not depend on which output was faster.
 */

import { unreachable } from '../std/errors.ts'
import type { Reply } from './reply.ts'

export const ACK_POLICIES = ['any', 'quorum', 'all', 'log'] as const
export type AckPolicy = (typeof ACK_POLICIES)[number]

export interface AckCounts {
  /** Count of the outputs whose answer counts for this write. */
  readonly voters: number
  readonly stored: number
  /** Outputs that refused the write for good. */
  readonly refused: number
  /** Outputs that are down, catching up, unreachable or overloaded: a temporary failure. */
  readonly failed: number
}

/** `timed-out`: still open when `ack-timeout` was over. */
export type Decision = 'open' | 'stored' | 'refused' | 'unavailable' | 'timed-out'

/** Count of the voters that must store the write before the client gets a success. */
export function storedNeeded(policy: AckPolicy, voters: number): number {
  switch (policy) {
    case 'any':
      return 1
    case 'quorum':
      return Math.floor(voters / 2) + 1
    case 'all':
      return voters
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
export function decide(policy: AckPolicy, counts: AckCounts): Decision {
  const { voters, stored, refused, failed } = counts
  // The filters of all voters rejected every line: no output has to store the write, so it counts
  // as stored.
  if (voters === 0) return 'stored'
  if (stored >= storedNeeded(policy, voters)) return 'stored'
  if (canBeMet(policy, counts)) return 'open'
  const open = voters - stored - refused - failed
  // The policy cannot be met any more, and a refusal takes precedence over all other answers.
  if (refused > 0) return 'refused'
  return open === 0 ? 'unavailable' : 'open'
}

/**
 * Whether a write can still get a success. Checked before the append: a write that is bound to end
 * in 503 must not be appended, because each retry of the client would add another copy to the log.
 */
function canBeMet(policy: AckPolicy, counts: AckCounts): boolean {
  const { voters, refused, failed } = counts
  return voters === 0 || voters - refused - failed >= storedNeeded(policy, voters)
}

/** Whether a synced write needs no ack: the relay will deliver it to every output anyway. */
export function isLogEnough(policy: AckPolicy): boolean {
  return policy === 'any' || policy === 'log'
}

const STRENGTH: Readonly<Record<AckPolicy, number>> = {
  log: 0,
  any: 1,
  quorum: 2,
  all: 3,
}

/** The stronger of the relay's policy and the policy that a request asks for. */
export function strongerPolicy(own: AckPolicy, asked: AckPolicy | undefined): AckPolicy {
  return asked !== undefined && STRENGTH[asked] > STRENGTH[own] ? asked : own
}

/** `none`: the answer of this output does not count for this write, or the write is not for it. */
export type Ack = 'none' | 'open' | 'stored' | 'refused' | 'failed'

/** The acks on one write until its client is answered. */
export class PendingAck {
  readonly #policy: AckPolicy
  /** By output, in the order of the configuration. */
  readonly #acks: Ack[]
  readonly #refusals: (Reply | undefined)[] = []
  /** Replies of outputs that the write is not for. */
  readonly #abstentions: (Reply | undefined)[] = []
  #body = ''

  constructor(policy: AckPolicy, acks: Ack[]) {
    this.#policy = policy
    this.#acks = acks
  }

  /** The answer of a destination to a statement; '' = none. */
  get body(): string {
    return this.#body
  }

  /** @param body the destination's answer to a statement, or '' */
  store(outputIndex: number, body: string): void {
    this.set(outputIndex, 'stored')
    if (this.#body === '') this.#body = body
  }

  set(outputIndex: number, ack: Exclude<Ack, 'refused'>): void {
    if (this.#acks[outputIndex] !== 'none') this.#acks[outputIndex] = ack
  }

  refuse(outputIndex: number, reply: Reply): void {
    if (this.#acks[outputIndex] === 'none') return
    this.#acks[outputIndex] = 'refused'
    this.#refusals[outputIndex] = reply
  }

  /** The write is not for this output. The client gets `reply` if the write is for no output. */
  abstain(outputIndex: number, reply: Reply | undefined): void {
    if (this.#acks[outputIndex] === 'none') return
    this.#acks[outputIndex] = 'none'
    this.#abstentions[outputIndex] = reply
  }

  /** Counts an output that has not answered as failed: its answer will not come soon. */
  stopWaitingFor(outputIndex: number): void {
    if (this.#acks[outputIndex] === 'open') this.#acks[outputIndex] = 'failed'
  }

  /** Whether at least one output has stored the write. */
  get isStored(): boolean {
    return this.#acks.includes('stored')
  }

  /** Whether the missing answers could still meet the policy. */
  get canBeMet(): boolean {
    return canBeMet(this.#policy, this.#counts())
  }

  /** Counts all outputs that have not answered as failed. */
  stopWaiting(): void {
    for (const index of this.#acks.keys()) this.stopWaitingFor(index)
  }

  decision(): Decision {
    const decision = this.#decideNow()
    return decision === 'refused' && this.#mayRefuseFirst ? 'open' : decision
  }

  /** The decision when `ack-timeout` is over: the relay waits for no further answer. */
  lastDecision(): Decision {
    const decision = this.#decideNow()
    return decision === 'open' ? 'timed-out' : decision
  }

  #decideNow(): Decision {
    const counts = this.#counts()
    if (counts.voters === 0 && this.#abstention !== undefined) return 'refused'
    return decide(this.#policy, counts)
  }

  /** The refusal for the client; only after the decision `refused`. */
  refusal(): Reply {
    const isStanding = (each: unknown, index: number) => each && this.#acks[index] === 'refused'
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
  get #mayRefuseFirst(): boolean {
    const firstOpen = this.#acks.indexOf('open')
    return firstOpen >= 0 && firstOpen < this.#acks.indexOf('refused')
  }

  #counts(): AckCounts {
    let stored = 0
    let refused = 0
    let failed = 0
    let open = 0
    for (const ack of this.#acks) {
      if (ack === 'stored') stored++
      else if (ack === 'refused') refused++
      else if (ack === 'failed') failed++
      else if (ack === 'open') open++
    }
    return { voters: stored + refused + failed + open, stored, refused, failed }
  }
}
