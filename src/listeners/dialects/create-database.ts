/**
 * The one statement that a relay carries out: `CREATE DATABASE`, as InfluxQL writes it. Pure.
 *
 *     CREATE DATABASE name [WITH …] [;]        name: letters, digits, underscores; or "quoted"
 *
 * The tail is passed on as it is: an output that does not like it says so.
 */

export interface CreateDatabase {
  readonly database: string
  /** The statement, without what stands before and behind it. */
  readonly text: string
}

/**
 * Longer ones are none that a person or a client library writes. Keeps the patterns below cheap.
 */
const STATEMENT_MAX_CHARACTERS = 4096

const HEAD =
  /^CREATE\s+DATABASE(?:\s+([A-Za-z_][A-Za-z0-9_]*)|\s*"((?:[^"\\\n]|\\["\\n])*)")(?=\s|$)/i
const TRAILING = /[\s;]+$/
const TAIL_BEGIN = /^\s+WITH\s/i
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/gs

/** @returns `undefined` for every other statement, and for several in one query. */
export function parseCreateDatabase(query: string): CreateDatabase | undefined {
  if (query.length > STATEMENT_MAX_CHARACTERS) return undefined
  const text = query.trimStart().replace(TRAILING, '')
  const match = HEAD.exec(text)
  if (match === null) return undefined
  const [head, plain, quoted = ''] = match
  const tail = text.slice(head.length)
  if (tail !== '' && !TAIL_BEGIN.test(tail)) return undefined
  if (tail.replaceAll(QUOTED, '').includes(';')) return undefined
  const database = plain ?? quoted.replaceAll(/\\(["\\n])/g, unescaped)
  return database === '' ? undefined : { database, text }
}

function unescaped(_: string, character: string): string {
  return character === 'n' ? '\n' : character
}
