/**
 * The tokens of InfluxQL that `CREATE DATABASE` and the errors about it need. Pure.
 *
 * Follows InfluxDB's own scanner (influxql/scanner.go), with its positions and its oddities: `a"b"`
 * gives `b` only; the position of the end of the text is one character further if a token ran into
 * the end.
 */

export type TokenKind =
  | 'end'
  | 'word'
  | 'keyword'
  | 'integer'
  | 'duration'
  | ';'
  /** Any token that the statement cannot contain, or that cannot be read. */
  | 'other'

export interface Token {
  readonly kind: TokenKind
  /** The text of a word without quotes, or the text of a keyword in capitals. */
  readonly value: string
  /** As error texts show it. */
  readonly shown: string
  /** As error texts name it: `line 1, char 8`. */
  readonly place: string
  /** Indices into the characters of the text. */
  readonly from: number
  readonly end: number
  readonly isBehindComment: boolean
}

type Scanned = Pick<Token, 'kind' | 'value' | 'shown'> & {
  /** Index of the character whose place the token reports; default: its first character. */
  readonly placeAt?: number
}

const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'ALL ALTER ANALYZE AND ANY AS ASC BEGIN BY CARDINALITY CREATE CONTINUOUS DATABASE ' +
    'DATABASES DEFAULT DELETE DESC DESTINATIONS DIAGNOSTICS DISTINCT DROP DURATION END EVERY ' +
    'EXACT EXPLAIN FALSE FIELD FOR FROM GRANT GRANTS GROUP GROUPS IN INF INSERT INTO KEY KEYS ' +
    'KILL LIMIT MEASUREMENT MEASUREMENTS NAME OFFSET ON OR ORDER PASSWORD POLICY POLICIES ' +
    'PRIVILEGES QUERIES QUERY READ REPLICATION RESAMPLE RETENTION REVOKE SELECT SERIES SET ' +
    'SHOW SHARD SHARDS SLIMIT SOFFSET STATS SUBSCRIPTION SUBSCRIPTIONS TAG TO TRUE USER USERS ' +
    'VALUES WHERE WITH WRITE'
  ).split(' '),
)

/** The characters after a backslash in a string, and their meaning. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
])
/** Operators of two characters, and how InfluxDB shows them. */
const PAIRS: ReadonlyMap<string, string> = new Map([
  ['=~', '=~'],
  ['!=', '!='],
  ['!~', '!~'],
  ['>=', '>='],
  ['<=', '<='],
  ['<>', '!='],
  ['::', '::'],
])

export class Scanner {
  readonly #characters: readonly string[]
  /** Beyond the last character once a token has run into the end. */
  #at = 0

  constructor(text: string) {
    this.#characters = [...text.replace(/\r\n?/g, '\n')]
  }

  /** May be called any number of times at the end, and then returns `end` each time. */
  next(): Token {
    let isBehindComment = false
    for (;;) {
      const from = this.#at
      if (this.#skipBlanks()) continue
      const comment = this.#skipComment()
      if (comment === 'closed') isBehindComment = true
      if (comment === 'closed') continue
      const scanned = comment === 'open' ? other('ILLEGAL') : this.#scan()
      const { kind, value, shown, placeAt = from } = scanned
      const place = this.#positionOf(placeAt)
      return { kind, value, shown, place, from, end: this.#at, isBehindComment }
    }
  }

  textBetween(from: number, end: number): string {
    return this.#characters.slice(from, end).join('')
  }

  /** '' beyond the end. */
  #read(): string {
    return this.#characters[this.#at++] ?? ''
  }

  #peek(ahead = 0): string {
    return this.#characters[this.#at + ahead] ?? ''
  }

  #take(pattern: RegExp): string {
    const from = this.#at
    while (pattern.test(this.#peek())) this.#at++
    return this.textBetween(from, this.#at)
  }

  #runIntoEnd(): void {
    if (this.#peek() === '') this.#at = this.#characters.length + 1
  }

  #skipBlanks(): boolean {
    const hasBlanks = this.#take(/^[ \t\n]$/) !== ''
    if (hasBlanks) this.#runIntoEnd()
    return hasBlanks
  }

  #skipComment(): 'none' | 'closed' | 'open' {
    const start = this.#peek() + this.#peek(1)
    if (start === '--') {
      while (!['\n', ''].includes(this.#read()));
      return 'closed'
    }
    if (start !== '/*') return 'none'
    this.#at += 2
    for (let last = ''; ; ) {
      const character = this.#read()
      if (character === '') return 'open'
      if (last === '*' && character === '/') return 'closed'
      last = character
    }
  }

  #scan(): Scanned {
    const first = this.#peek()
    if (/^[A-Za-z_"]$/.test(first)) return this.#word()
    if (/^\d$/.test(first) || (first === '.' && /^\d$/.test(this.#peek(1)))) return this.#number()
    this.#at++
    if (first === '') return { kind: 'end', value: '', shown: 'EOF' }
    if (first === ';') return { kind: ';', value: '', shown: ';' }
    if (first === "'") return this.#string(first, 'STRING')
    if (first === '$') {
      const { value, shown } = this.#word()
      return other(`$${value === '' ? shown : value}`)
    }
    const pair = PAIRS.get(first + this.#peek())
    if (pair === undefined) return other(first)
    this.#at++
    return other(pair)
  }

  #word(): Scanned {
    const bare = this.#take(/^\w$/)
    if (this.#peek() === '"') {
      this.#at++
      return this.#string('"', undefined)
    }
    this.#runIntoEnd()
    const keyword = bare.toUpperCase()
    if (KEYWORDS.has(keyword)) return { kind: 'keyword', value: keyword, shown: keyword }
    return { kind: 'word', value: bare, shown: bare }
  }

  /** @param emptyShown how errors show an empty string; `undefined` if the string is a word */
  #string(quote: string, emptyShown: string | undefined): Scanned {
    // InfluxDB reports the position of the character before a string.
    const placeAt = Math.max(0, this.#at - 2)
    let value = ''
    for (;;) {
      const character = this.#read()
      if (character === quote) break
      if (character === '' || character === '\n') return other(value || 'BADSTRING', placeAt)
      const escaped = character === '\\' ? this.#read() : undefined
      const meant = escaped === undefined ? character : ESCAPES.get(escaped)
      if (meant === undefined) return other(character + escaped, this.#at - 1)
      value += meant
    }
    if (emptyShown === undefined) return { kind: 'word', value, shown: value || 'IDENT' }
    return other(value || emptyShown, placeAt)
  }

  #number(): Scanned {
    const digits = this.#take(/^\d$/)
    if (this.#peek() === '.') {
      this.#at++
      const fraction = this.#take(/^\d$/)
      return other(fraction === '' ? digits : `${digits}.${fraction}`)
    }
    if (!/^[A-Za-zµ]$/.test(this.#peek())) return { kind: 'integer', value: digits, shown: digits }
    const value = digits + this.#take(/^[\dA-Za-zµ]$/)
    return { kind: 'duration', value, shown: value }
  }

  #positionOf(index: number): string {
    const before = this.#characters.slice(0, index)
    const lineStart = before.lastIndexOf('\n') + 1
    const line = before.filter((character) => character === '\n').length + 1
    const isBeyondEnd = index > this.#characters.length
    return `line ${line}, char ${before.length - lineStart + (isBeyondEnd ? 1 : 0) + 1}`
  }
}

function other(shown: string, placeAt?: number): Scanned {
  return { kind: 'other', value: '', shown, ...(placeAt === undefined ? {} : { placeAt }) }
}
