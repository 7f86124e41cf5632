/** One request on the fast path, from its head until its answer is written. */

import type { Client } from '../../../write/merge-penalty.ts'
import type { Reply } from '../../../write/reply.ts'
import type { IncomingWrite } from '../ingest/ingest.ts'
import type { ParsedWriteRequest } from '../ingest/write-request-cache.ts'
import type { ParsedHead } from './heads-cache.ts'

export class FastRequest implements IncomingWrite {
  readonly head: ParsedHead
  readonly client: Client
  readonly #onReply: () => void
  /** Set once the answer is known, until the answer is written. */
  reply: Reply | undefined

  constructor(head: ParsedHead, client: Client, onReply: () => void) {
    this.head = head
    this.client = client
    this.#onReply = onReply
  }

  get parsed(): ParsedWriteRequest {
    return this.head.parsed
  }

  get isGzip(): boolean {
    return this.head.isGzip
  }

  answer(reply: Reply): void {
    this.reply = reply
    this.#onReply()
  }
}
