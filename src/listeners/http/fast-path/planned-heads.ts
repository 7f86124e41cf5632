/**
 * Heads that were read before, kept: a client says the same with every write, but for the length of
 * the body.
 *
 * Limits: `GENERATION_MAX_HEADS` in each of two generations, the younger of which takes what is
 * used; longer ones than `KEPT_MAX_CHARACTERS` are read each time. Holds credentials as long as a
 * head lives.
 */

import { Generations } from '../../../std/generations.ts'
import type { Memory } from '../../../std/memory-budget.ts'
import { type ErrorFormat, errorFormat } from '../../dialects/v1/error-text.ts'
import type { WritePlan, WritePlans } from '../ingest/write-plans.ts'
import { readFastHead } from './head.ts'

/** A head, with all that its request needs. */
export interface PlannedHead {
  readonly plan: WritePlan
  readonly bodyBytes: number
  readonly isGzip: boolean
  readonly isLast: boolean
  /** Of an error, if there is one to tell. */
  readonly format: ErrorFormat
}

const GENERATION_MAX_HEADS = 1024
const KEPT_MAX_CHARACTERS = 2048
/** A head that is read leaves behind so many times its length: its text, lines, values, a plan. */
const PARSED_FACTOR = 8

export class PlannedHeads {
  readonly #plans: WritePlans
  readonly #memory: Memory
  readonly #kept = new Generations<PlannedHead>(GENERATION_MAX_HEADS)

  /** @param memory told of what is left behind by a head that is not kept */
  constructor(plans: WritePlans, memory: Memory) {
    this.#plans = plans
    this.#memory = memory
  }

  /** @returns `undefined` when it is not of the plain form: see head.ts */
  headOf(text: string): PlannedHead | undefined {
    const known = this.#kept.get(text)
    if (known !== undefined) return known
    const head = this.#read(text)
    this.#memory.waste(PARSED_FACTOR * text.length)
    if (head !== undefined && text.length <= KEPT_MAX_CHARACTERS) this.#kept.set(text, head)
    return head
  }

  #read(text: string): PlannedHead | undefined {
    const head = readFastHead(text)
    if (head === undefined) return undefined
    const { requestTarget, authorization, bodyBytes, isGzip, isLast, accept } = head
    const plan = this.#plans.planFor(requestTarget, authorization)
    return { plan, bodyBytes, isGzip, isLast, format: errorFormat(accept, plan.isPretty) }
  }
}
