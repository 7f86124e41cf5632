/**
 * A server that has no database before it is created.
 *
 *     const b = new FreshServer()
 *     await relay.accept(statementOf('db'))
 *     assert.deepEqual(b.statements, ['db'])
 */
import type { Payload, Verdict } from '../../src/destinations/destination.ts'
import type { Write } from '../../src/write/write.ts'
import { Server } from './durable-relay.ts'
import { DELIVERED, MISSING } from './scripted-destination.ts'
import { writeOf } from './scripted-relay.ts'

export class FreshServer extends Server {
  readonly #created = new Set<string>()
  readonly statements: string[] = []

  constructor() {
    super()
    const serve = this.verdict
    this.verdict = async (payload: Payload): Promise<Verdict> => {
      const { database } = payload.target
      if (this.isUp && payload.writes[0]?.kind === 'statement') {
        this.#created.add(database)
        this.statements.push(database)
        return DELIVERED
      }
      if (this.isUp && !this.#created.has(database)) return MISSING
      return await serve(payload)
    }
  }
}

/** `CREATE DATABASE`. */
export function statementOf(database: string): Write {
  const body = Buffer.from(`CREATE DATABASE "${database}"`)
  const { target } = writeOf('', database)
  return { kind: 'statement', target, body, lineCount: 1, receivedAtMs: 0 }
}
