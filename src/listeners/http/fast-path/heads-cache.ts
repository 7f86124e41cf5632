/**
 * A cache of parsed heads: a client sends the same head with every write, except for the length of
 * the body.
 *
 * Limits: two generations of `GENERATION_MAX_HEADS` each; a head that is used moves to the younger
 * one. Heads longer than `KEPT_MAX_CHARACTERS` are parsed each time. The cache holds credentials as
 * long as it keeps a head.
 */

import type { Memory } from '../../../std/memory-budget.ts'
import { TwoGenerationCache } from '../../../std/two-generation-cache.ts'
import { type ErrorFormat, errorFormat } from '../../dialects/v1/error-text.ts'
import type { ParsedWriteRequest, ParsedWriteRequests } from '../ingest/write-request-cache.ts'
import { readFastHead } from './head.ts'

/** A parsed head, with everything that its request needs. */
export interface ParsedHead {
  readonly parsed: ParsedWriteRequest
  readonly bodyBytes: number
  readonly isGzip: boolean
  readonly isLast: boolean
  /** The format of an error in the answer. */
  readonly format: ErrorFormat
}

const GENERATION_MAX_HEADS = 1024
const KEPT_MAX_CHARACTERS = 2048
/** Garbage of parsing, as a multiple of the head's length: text, lines, values, parsed request. */
const PARSED_FACTOR = 8

export class HeadsCache {
  readonly #parsedRequests: ParsedWriteRequests
  readonly #memory: Memory
  readonly #kept = new TwoGenerationCache<ParsedHead>(GENERATION_MAX_HEADS)

  /** @param memory the budget that counts the garbage of parsing */
  constructor(parsedRequests: ParsedWriteRequests, memory: Memory) {
    this.#parsedRequests = parsedRequests
    this.#memory = memory
  }

  /** @returns `undefined` when the head is not of the plain form (head.ts) */
  headOf(text: string): ParsedHead | undefined {
    const known = this.#kept.get(text)
    if (known !== undefined) return known
    const head = this.#read(text)
    this.#memory.noteGarbage(PARSED_FACTOR * text.length)
    if (head !== undefined && text.length <= KEPT_MAX_CHARACTERS) this.#kept.set(text, head)
    return head
  }

  #read(text: string): ParsedHead | undefined {
    const head = readFastHead(text)
    if (head === undefined) return undefined
    const { requestTarget, authorization, bodyBytes, isGzip, isLast, accept } = head
    const parsed = this.#parsedRequests.parse(requestTarget, authorization)
    return { parsed, bodyBytes, isGzip, isLast, format: errorFormat(accept, parsed.isPretty) }
  }
}
