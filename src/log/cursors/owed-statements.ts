/**
 * Statements that an output is still owed, and that no longer wait for their turn in the log.
 *
 *     segments  [ w1, w2 … w900, CREATE DATABASE, w901 … ]
 *                                       └──▶ cursor file of the output (cursor-file.ts)
 *
 * An output never gives up a statement, because other writes may depend on it, and it executes the
 * statement before all writes that it has not read yet. A statement is a few hundred bytes, so the
 * cursor stores it until the destination has executed it. Its segment may be deleted meanwhile.
 *
 * Promise: an added statement is on the disk with the next save of the cursor, which happens before
 * the log deletes the segment.
 *
 * Limits: the relay bounds how many statements an output may be owed.
 */

import { type Write, writeTarget } from '../../write/write.ts'

/** A statement in the form in which the cursor file stores it. */
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

  /** In the order of `add`, which is the order of the log. */
  get all(): readonly OwedStatement[] {
    return [...this.#owed.values()]
  }

  /** @returns the statement as the cursor stores it; it references no part of `body` */
  add(sequence: number, { target, body, receivedAtMs }: Write): OwedStatement {
    const { database, credentials } = target
    const text = body.toString()
    const statement = { sequence, database, ...credentials, text, receivedAtMs }
    this.#owed.set(sequence, statement)
    this.changes++
    return statement
  }

  /** Call this when the destination has executed or refused the statement. */
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

/** @returns `undefined` when `json` is not an owed statement */
export function parseOwedStatement(json: unknown): OwedStatement | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { sequence, database, authorization, query, text, receivedAtMs } = json as {
    readonly [K in keyof OwedStatement]?: unknown // Parsed JSON: each field is checked below.
  }
  if (typeof database !== 'string' || typeof text !== 'string') return undefined
  if (typeof authorization !== 'string' || typeof query !== 'string') return undefined
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(receivedAtMs)) return undefined
  const numbers = { sequence: Number(sequence), receivedAtMs: Number(receivedAtMs) }
  return { ...numbers, database, authorization, query, text }
}
