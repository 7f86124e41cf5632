/**
 * Statements that one output is still owed although the log has let their segments go.
 *
 *     segments  [ CREATE DATABASE, w1, w2 … ] given up at the bound ──▶ gaps.jsonl, deleted
 *                        └──▶ cursor file, with the output's place (cursor-file.ts)
 *
 * A statement is never given up: what follows it may stand only because of it. It is a few hundred
 * bytes, so the cursor carries it until it is carried out.
 *
 * Promise: what `add` has taken is on the disk with the next cursor that is saved, which is before
 * the segment is deleted.
 *
 * Limits: the relay bounds how many statements an output may be owed.
 */

import { type Write, writeTarget } from '../../write/write.ts'

/** As it stands in a cursor file. */
export interface OwedStatement {
  readonly sequence: number
  readonly database: string
  readonly authorization: string
  readonly query: string
  readonly text: string
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly receivedAtMs: number
}

export class OwedStatements {
  readonly #owed = new Map<number, OwedStatement>()
  /** Rises with every change. */
  changes = 0

  constructor(found: readonly OwedStatement[]) {
    for (const statement of found) this.#owed.set(statement.sequence, statement)
  }

  /** In the order in which they were added, which is that of the log. */
  get all(): readonly OwedStatement[] {
    return [...this.#owed.values()]
  }

  has(sequence: number): boolean {
    return this.#owed.has(sequence)
  }

  add(sequence: number, { target, body, receivedAtMs }: Write): void {
    const { database, credentials } = target
    const text = body.toString()
    this.#owed.set(sequence, { sequence, database, ...credentials, text, receivedAtMs })
    this.changes++
  }

  /** It was carried out, or refused. */
  delete(sequence: number): void {
    if (this.#owed.delete(sequence)) this.changes++
  }
}

export function writeOfStatement(statement: OwedStatement): Write {
  const { database, authorization, query, text, receivedAtMs } = statement
  const credentials = { authorization, query }
  const target = writeTarget({ database, retentionPolicy: '', precision: 'ns', credentials })
  return { kind: 'statement', target, body: Buffer.from(text), lineCount: 1, receivedAtMs }
}

/** @returns `undefined` when it is not laid out as one */
export function parseOwedStatement(json: unknown): OwedStatement | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { sequence, database, authorization, query, text, receivedAtMs } = json as {
    readonly [K in keyof OwedStatement]?: unknown // Parsed JSON: each is looked at below.
  }
  if (typeof database !== 'string' || typeof text !== 'string') return undefined
  if (typeof authorization !== 'string' || typeof query !== 'string') return undefined
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(receivedAtMs)) return undefined
  const numbers = { sequence: Number(sequence), receivedAtMs: Number(receivedAtMs) }
  return { ...numbers, database, authorization, query, text }
}
