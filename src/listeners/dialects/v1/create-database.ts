/**
 * Parses the one InfluxQL statement that a relay carries out: `CREATE DATABASE`. Pure.
 *
 *     CREATE DATABASE name [WITH [DURATION d] [REPLICATION n] [SHARD DURATION d] [NAME name]] [;]
 *
 * A statement that InfluxDB cannot parse is refused in InfluxDB's words. Other options after WITH
 * are passed on, because later versions have more options.
 */

import { Scanner, type Token } from './influxql-scanner.ts'

export interface CreateDatabase {
  readonly kind: 'create-database'
  readonly database: string
  /** The statement, without comments and without the text before and after it. */
  readonly text: string
}

export type ParsedStatement =
  | CreateDatabase
  /** Another statement, or several. */
  | { readonly kind: 'other' }
  /** `reason`: InfluxDB's words. */
  | { readonly kind: 'misspelt'; readonly reason: string }

/**
 * No person or client library writes longer statements. The limit keeps the scanner cheap.
 */
const STATEMENT_MAX_CHARACTERS = 4096

/** In InfluxDB's order. */
const STATEMENTS = 'SELECT DELETE SHOW CREATE DROP EXPLAIN GRANT REVOKE ALTER SET KILL'.split(' ')
const CREATABLE = ['CONTINUOUS', 'DATABASE', 'USER', 'RETENTION', 'SUBSCRIPTION']
const OPTIONS = ['DURATION', 'NAME', 'REPLICATION', 'SHARD']

const OTHER: ParsedStatement = { kind: 'other' }

export function parseStatement(query: string): ParsedStatement {
  // InfluxDB's scanner takes a NUL for the end of the text in some places only.
  if (query.length > STATEMENT_MAX_CHARACTERS || query.includes('\0')) return OTHER
  try {
    return new Parser(query).parse() ?? OTHER
  } catch (error) {
    if (error instanceof Misspelt) return { kind: 'misspelt', reason: error.message }
    throw error
  }
}

/** Thrown from anywhere within a statement, and caught above. */
class Misspelt extends Error {}

class Parser {
  readonly #scanner: Scanner
  /** The tokens of the current statement. */
  #tokens: Token[] = []
  #isPushedBack = false

  constructor(query: string) {
    this.#scanner = new Scanner(query)
  }

  /** @returns `undefined` unless the query is exactly one CREATE DATABASE */
  parse(): CreateDatabase | undefined {
    const found: CreateDatabase[] = []
    for (let mayBegin = true; ; ) {
      const token = this.#next()
      if (token.kind === 'end') break
      if (token.kind !== ';' && !mayBegin) throw expected(token, [';'])
      mayBegin = token.kind === ';'
      if (mayBegin) continue
      this.#tokens = [token]
      const statement = this.#statement(token)
      if (statement === undefined) return undefined
      found.push(statement)
    }
    return found.length === 1 ? found[0] : undefined
  }

  #statement(token: Token): CreateDatabase | undefined {
    if (!isKeyword(token, STATEMENTS)) throw expected(token, STATEMENTS)
    if (!isKeyword(token, ['CREATE'])) return undefined
    const what = this.#next()
    if (!isKeyword(what, CREATABLE)) throw expected(what, CREATABLE)
    return isKeyword(what, ['DATABASE']) ? this.#createDatabase() : undefined
  }

  #createDatabase(): CreateDatabase {
    const database = this.#identifier()
    if (isKeyword(this.#next(), ['WITH'])) this.#options()
    else this.#pushBack()
    return { kind: 'create-database', database, text: this.#text() }
  }

  #options(): void {
    const first = this.#next()
    if (!isWord(first)) throw expected(first, OPTIONS)
    this.#pushBack()
    if (this.#takes('DURATION')) this.#duration()
    if (this.#takes('REPLICATION')) this.#copies()
    if (this.#takes('SHARD')) {
      const word = this.#next()
      if (!isKeyword(word, ['DURATION'])) throw expected(word, ['DURATION'])
      this.#duration()
    }
    if (this.#takes('NAME')) this.#identifier()
    // After an unknown word, everything up to the end of the statement is accepted.
    if (isWord(this.#next())) while (!['end', ';'].includes(this.#next().kind));
    this.#pushBack()
  }

  #takes(keyword: string): boolean {
    const isThere = isKeyword(this.#next(), [keyword])
    if (!isThere) this.#pushBack()
    return isThere
  }

  #identifier(): string {
    const token = this.#next()
    if (token.kind !== 'word') throw expected(token, ['identifier'])
    return token.value
  }

  #duration(): void {
    const token = this.#next()
    if (isKeyword(token, ['INF'])) return
    if (token.kind !== 'duration') throw expected(token, ['duration'])
    const fault = durationFault(token.value)
    if (fault !== undefined) throw new Misspelt(`${fault} at ${token.place}`)
  }

  #copies(): void {
    const token = this.#next()
    if (token.kind !== 'integer') throw expected(token, ['integer'])
    const fault = copiesFault(token.value)
    if (fault !== undefined) throw new Misspelt(`${fault} at ${token.place}`)
  }

  #next(): Token {
    const last = this.#tokens.at(-1)
    if (this.#isPushedBack && last !== undefined) {
      this.#isPushedBack = false
      return last
    }
    const token = this.#scanner.next()
    this.#tokens.push(token)
    return token
  }

  /** The last token is read again. */
  #pushBack(): void {
    this.#isPushedBack = true
  }

  #text(): string {
    const tokens = this.#isPushedBack ? this.#tokens.slice(0, -1) : this.#tokens
    let text = ''
    let end = tokens[0]?.from ?? 0
    for (const token of tokens) {
      const gap = token.isBehindComment ? ' ' : this.#scanner.textBetween(end, token.from)
      text += (text === '' ? '' : gap) + this.#scanner.textBetween(token.from, token.end)
      end = token.end
    }
    return text
  }
}

function isWord({ kind }: Token): boolean {
  return kind === 'word' || kind === 'keyword'
}

function isKeyword(token: Token, keywords: readonly string[]): boolean {
  return token.kind === 'keyword' && keywords.includes(token.value)
}

function expected({ shown, place }: Token, what: readonly string[]): Misspelt {
  return new Misspelt(`found ${shown}, expected ${what.join(', ')} at ${place}`)
}

const NS_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['u', 1_000n],
  ['µ', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
  ['d', 86_400_000_000_000n],
  ['w', 604_800_000_000_000n],
])
const INT64_MAX = 2n ** 63n - 1n
const COPIES_MAX = 2 ** 31 - 1

/** InfluxDB's error for a duration; `undefined` if the duration is valid. */
function durationFault(text: string): string | undefined {
  if (!/^(?:\d+(?:ns|ms|[uµmshdw]))+$/.test(text)) return 'invalid duration'
  let sum = 0n
  let last = ''
  for (const [part, digits = '', unit = ''] of text.matchAll(/(\d+)(ns|ms|[uµmshdw])/g)) {
    const count = BigInt(digits)
    if (count > INT64_MAX) return 'invalid duration'
    // In 64 bits, as in Go: a sum that overflows back to a positive number passes.
    sum = BigInt.asIntN(64, sum + count * (NS_PER_UNIT.get(unit) ?? 0n))
    last = part.replace(/^0+(?=\d)/, '')
  }
  return sum < 0n ? `overflowed duration ${last}: choose a smaller duration or INF` : undefined
}

/** InfluxDB's error for a number of copies; `undefined` if the number is valid. */
function copiesFault(text: string): string | undefined {
  if (BigInt(text) > INT64_MAX) return `strconv.Atoi: parsing "${text}": value out of range`
  const count = Number(text)
  if (count >= 1 && count <= COPIES_MAX) return undefined
  return `invalid value ${BigInt(text)}: must be 1 <= n <= ${COPIES_MAX}`
}
