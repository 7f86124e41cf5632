/** One request on the fast path, from its head until its answer is written. */

import type { Client } from '../../../write/merge-penalty.ts'
import type { Reply } from '../../../write/reply.ts'
import type { WriteRequest } from '../ingest/write-intake.ts'
import type { WritePlan } from '../ingest/write-plans.ts'
import type { PlannedHead } from './planned-heads.ts'

export class FastRequest implements WriteRequest {
  readonly head: PlannedHead
  readonly client: Client
  readonly #onReply: () => void
  /** Set once the answer is known, until the answer is written. */
  reply: Reply | undefined

  constructor(head: PlannedHead, client: Client, onReply: () => void) {
    this.head = head
    this.client = client
    this.#onReply = onReply
  }

  get plan(): WritePlan {
    return this.head.plan
  }

  get isGzip(): boolean {
    return this.head.isGzip
  }

  answer(reply: Reply): void {
    this.reply = reply
    this.#onReply()
  }
}
