/**
 * Finds the line on which each key of a TOML text stands.
 *
 * The TOML parser gives values without positions, but an operator needs "line 12". So this file
 * walks the text a second time and notes lines only. The walk ignores values and accepts any text.
 * On a text that the parser accepts, the lines are exact; a quoted key with escapes gets the line
 * of its table.
 *
 *     [[http]]                         http[0]
 *     output = [                       http[0].output
 *       { location = "…" },            http[0].output[0], http[0].output[0].location
 *     ]
 *     [[http.output]]                  http[0].output[0]
 *
 * Never throws. Limit: values nested deeper than DEPTH_MAX get no line of their own.
 */

import { normalizeKey } from '../schema/spelling.ts'

const DEPTH_MAX = 64

export interface KeyLines {
  /** 1-based line of the key, else of the nearest table around it, else 0. */
  lineOf(keyPath: string): number
  /** Every key segment of the text, as spelt, with the line of its first appearance. */
  readonly segments: ReadonlyMap<string, number>
}

/** Walks `text` once; `lineOf` answers from the lines noted on the way. */
export function locateKeys(text: string): KeyLines {
  const walker = new Walker(text)
  walker.walkDocument()
  return {
    segments: walker.segments,
    lineOf(keyPath) {
      let path = normalizePath(keyPath)
      while (path !== '') {
        const line = walker.lines.get(path)
        if (line !== undefined) return line
        path = path.replace(/(\[\d+\]|\.?[^.[]*|.)$/, '')
      }
      return 0
    },
  }
}

function normalizePath(keyPath: string): string {
  return keyPath.split('.').map(normalizeKey).join('.')
}

class Walker {
  readonly lines = new Map<string, number>()
  readonly segments = new Map<string, number>()
  readonly #text: string
  readonly #tableCounts = new Map<string, number>()
  #at = 0
  #line = 1
  #lineCountedTo = 0

  constructor(text: string) {
    this.#text = text
  }

  walkDocument(): void {
    let prefix = ''
    for (;;) {
      this.#skipBlank()
      if (this.#at >= this.#text.length) return
      if (this.#peek() === '[') prefix = this.#walkHeader()
      else this.#walkAssignment(prefix, 0)
    }
  }

  /** `[a.b]` or `[[a.b]]`. @returns the path that the keys below it belong to. */
  #walkHeader(): string {
    const line = this.#lineHere()
    this.#at += 1
    const isArray = this.#peek() === '['
    if (isArray) this.#at += 1
    const keys = this.#readKeys()
    let path = ''
    keys.forEach((key, index) => {
      path = join(path, key)
      const count = this.#tableCounts.get(path) ?? 0
      if (isArray && index === keys.length - 1) {
        this.#note(path, line)
        this.#tableCounts.set(path, count + 1)
        path += `[${count}]`
      } else if (count > 0) path += `[${count - 1}]`
      this.#note(path, line)
    })
    this.#skipPast('\n')
    return path
  }

  #walkAssignment(prefix: string, depth: number): void {
    const start = this.#at
    const line = this.#lineHere()
    let path = prefix
    for (const key of this.#readKeys()) {
      path = join(path, key)
      this.#note(path, line)
    }
    this.#skipSpaces()
    if (this.#peek() === '=') {
      this.#at += 1
      this.#skipSpaces()
      this.#walkValue(path, depth)
    }
    // No assignment here: step over one character, so that the walk ends.
    if (this.#at === start) this.#at += 1
  }

  #walkValue(path: string, depth: number): void {
    const first = this.#peek()
    if (first === '"' || first === "'") this.#readString()
    else if (first === '[' && depth < DEPTH_MAX) this.#walkArray(path, depth + 1)
    else if (first === '{' && depth < DEPTH_MAX) this.#walkInlineTable(path, depth + 1)
    else while (this.#at < this.#text.length && !/[,\]}#\n]/.test(this.#peek())) this.#at += 1
  }

  #walkArray(path: string, depth: number): void {
    this.#at += 1
    for (let index = 0; ; index++) {
      this.#skipBlank(',')
      if (this.#at >= this.#text.length) return
      if (this.#peek() === ']') break
      const start = this.#at
      this.#note(`${path}[${index}]`, this.#lineHere())
      this.#walkValue(`${path}[${index}]`, depth)
      if (this.#at === start) this.#at += 1
    }
    this.#at += 1
  }

  #walkInlineTable(path: string, depth: number): void {
    this.#at += 1
    for (;;) {
      this.#skipBlank(',')
      if (this.#at >= this.#text.length) return
      if (this.#peek() === '}') break
      this.#walkAssignment(path, depth)
    }
    this.#at += 1
  }

  /** Dotted keys, bare or quoted; stops at the first character that cannot belong to them. */
  #readKeys(): string[] {
    const keys: string[] = []
    for (;;) {
      this.#skipSpaces()
      const start = this.#at
      const quote = this.#peek()
      if (quote === '"' || quote === "'") keys.push(this.#readString())
      else {
        while (/[\w-]/.test(this.#peek())) this.#at += 1
        if (this.#at > start) keys.push(this.#text.slice(start, this.#at))
      }
      this.#skipSpaces()
      if (this.#at === start || this.#peek() !== '.') break
      this.#at += 1
    }
    const line = this.#lineHere()
    for (const key of keys) if (!this.segments.has(key)) this.segments.set(key, line)
    return keys
  }

  /** Steps over a string of any of the four kinds. @returns the text between the quotes. */
  #readString(): string {
    const quote = this.#peek()
    const isLong = this.#text.startsWith(quote.repeat(3), this.#at)
    const end = isLong ? quote.repeat(3) : quote
    this.#at += end.length
    const start = this.#at
    while (this.#at < this.#text.length && !this.#text.startsWith(end, this.#at)) {
      if (!isLong && this.#peek() === '\n') return this.#text.slice(start, this.#at)
      this.#at += quote === '"' && this.#peek() === '\\' ? 2 : 1
    }
    const inner = this.#text.slice(start, this.#at)
    this.#at += end.length
    // Up to two quotes may precede the closing quotes of a long string.
    while (isLong && this.#peek() === quote) this.#at += 1
    return inner
  }

  #skipBlank(also = ''): void {
    while (this.#at < this.#text.length) {
      const here = this.#peek()
      if (here === '#') this.#skipPast('\n')
      else if (/\s/.test(here) || here === also) this.#at += 1
      else return
    }
  }

  #skipSpaces(): void {
    while (this.#peek() === ' ' || this.#peek() === '\t') this.#at += 1
  }

  #skipPast(end: string): void {
    const found = this.#text.indexOf(end, this.#at)
    this.#at = found < 0 ? this.#text.length : found + end.length
  }

  #peek(): string {
    return this.#text.charAt(this.#at)
  }

  #note(path: string, line: number): void {
    const key = normalizePath(path)
    if (!this.lines.has(key)) this.lines.set(key, line)
  }

  #lineHere(): number {
    for (; this.#lineCountedTo < this.#at; this.#lineCountedTo++) {
      if (this.#text[this.#lineCountedTo] === '\n') this.#line += 1
    }
    return this.#line
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
