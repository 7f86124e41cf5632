/**
 * Go's regular expressions (RE2 syntax) as JavaScript ones, for `[[filter]]`.
 *
 * Only "does it match anywhere" is asked, so greediness plays no part. What JavaScript cannot say
 * is refused with the reason, and so is what Go refuses (look-around, back references): a filter
 * that the original would not have started with must not quietly mean something here.
 *
 * Not as in Go: matching may take long for expressions with nested repetition; they are the
 * operator's own.
 */

export type TranslatedRegExp =
  | { readonly kind: 'ok'; readonly expression: RegExp }
  | { readonly kind: 'bad'; readonly message: string }

const POSIX_CLASSES: ReadonlyMap<string, string> = new Map([
  ['alnum', '0-9A-Za-z'],
  ['alpha', 'A-Za-z'],
  ['ascii', '\\x00-\\x7F'],
  ['blank', '\\t '],
  ['cntrl', '\\x00-\\x1F\\x7F'],
  ['digit', '0-9'],
  ['graph', '!-~'],
  ['lower', 'a-z'],
  ['print', ' -~'],
  ['punct', '!-\\/:-@\\[-`\\{-~'],
  ['space', '\\t\\n\\v\\f\\r '],
  ['upper', 'A-Z'],
  ['word', '0-9A-Za-z_'],
  ['xdigit', '0-9A-Fa-f'],
])

/** Escapes that are the same in both, within [ ] and outside. */
const SAME_ESCAPES = [...'dDwWtnrfv'].map((letter): [string, string] => [letter, `\\${letter}`])

// Go's \s has no vertical tab and nothing beyond ASCII.
const CLASS_ESCAPES: ReadonlyMap<string, string> = new Map([
  ...SAME_ESCAPES,
  ['a', '\\u0007'],
  ['s', '\\t\\n\\f\\r '],
])

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ...SAME_ESCAPES,
  ['a', '\\u0007'],
  ['s', '[\\t\\n\\f\\r ]'],
  ['S', '[^\\t\\n\\f\\r ]'],
  ['b', '\\b'],
  ['B', '\\B'],
  ['A', '(?<![\\s\\S])'],
  ['z', '(?![\\s\\S])'],
])

/** Translates; never throws. */
export function translateGoRegExp(source: string): TranslatedRegExp {
  const flags = /^\(\?([imsU]+)\)/.exec(source)
  const isDotAll = flags?.[1]?.includes('s') ?? false
  // U swaps greedy and lazy, which does not change whether there is a match.
  const jsFlags = ['i', 'm', 's'].filter((letter) => flags?.[1]?.includes(letter)).join('')
  const translator = new Translator(source.slice(flags?.[0].length ?? 0), isDotAll)
  const translated = translator.translate()
  if (translator.refusal !== undefined) return { kind: 'bad', message: translator.refusal }
  try {
    return { kind: 'ok', expression: new RegExp(translated, `u${jsFlags}`) }
  } catch (error) {
    const said = error instanceof Error ? (error.message.split(': ').at(-1) ?? '') : String(error)
    return { kind: 'bad', message: said.toLowerCase() }
  }
}

class Translator {
  refusal: string | undefined
  readonly #source: string
  readonly #isDotAll: boolean
  #at = 0

  constructor(source: string, isDotAll: boolean) {
    this.#source = source
    this.#isDotAll = isDotAll
  }

  translate(): string {
    let out = ''
    while (this.#at < this.#source.length && this.refusal === undefined) out += this.#next()
    return out
  }

  #next(): string {
    const rest = this.#source.slice(this.#at)
    const first = String.fromCodePoint(rest.codePointAt(0) ?? 0)
    if (first === '\\') return this.#escape(false)
    if (first === '[') return this.#characterClass()
    if (first === '(') return this.#groupStart(rest)
    const bounds = /^\{\d+(,\d*)?\}/.exec(rest)
    if (bounds !== null) return this.#take(bounds[0].length, bounds[0])
    // Go takes these for themselves where they close or bound nothing.
    if (first === '{' || first === '}' || first === ']') return this.#take(1, `\\${first}`)
    if (first === '.' && !this.#isDotAll) return this.#take(1, '[^\\n]')
    return this.#take(first.length, first)
  }

  #groupStart(rest: string): string {
    if (!rest.startsWith('(?')) return this.#take(1, '(')
    const named = /^\(\?P?<(\w+)>/.exec(rest)
    if (named !== null) return this.#take(named[0].length, `(?<${named[1]}>`)
    const scoped = /^\(\?([ims]*)(?:-([ims]+))?:/.exec(rest)
    if (scoped !== null) return this.#take(scoped[0].length, scoped[0])
    const isLookAround = /^\(\?<?[=!]/.test(rest)
    if (isLookAround) return this.#refuse("look-around such as (?=…) is not part of Go's syntax")
    if (/^\(\?[imsU-]+\)/.test(rest)) {
      return this.#refuse('flags such as (?i) are read at the start only; elsewhere write (?i:…)')
    }
    return this.#refuse(`the group "${rest.slice(0, 4)}" is not supported`)
  }

  /** One escape; `inClass` within [ ]. */
  #escape(inClass: boolean): string {
    const rest = this.#source.slice(this.#at + 1)
    const letter = rest.charAt(0)
    if (letter === '') return this.#refuse('it ends in a backslash')
    if (letter === 'Q' && !inClass) return this.#quoted(rest)
    const unicode = /^([pP])(?:(\w)|\{(\^?)(\w+)\})/.exec(rest)
    if (unicode !== null) return this.#unicodeClass(unicode)
    const hex = /^x(?:\{([\da-f]{1,6})\}|([\da-f]{2}))/i.exec(rest)
    if (hex !== null) return this.#take(1 + hex[0].length, `\\u{${hex[1] ?? hex[2]}}`)
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)
    if (octal !== null) {
      const code = Number.parseInt(octal[0], 8).toString(16)
      return this.#take(1 + octal[0].length, `\\u{${code}}`)
    }
    if (/[1-9]/.test(letter)) return this.#refuse("back references are not part of Go's syntax")
    const fixed = (inClass ? CLASS_ESCAPES : ESCAPES).get(letter)
    if (fixed !== undefined) return this.#take(2, fixed)
    if (/[^\w]|_/.test(letter) && letter <= '~') return this.#take(2, literal(letter, inClass))
    return this.#refuse(`the escape "\\${letter}" is not supported`)
  }

  #quoted(rest: string): string {
    const end = rest.indexOf('\\E')
    const inner = end < 0 ? rest.slice(1) : rest.slice(1, end)
    const escaped = [...inner].map((character) => literal(character, false)).join('')
    return this.#take(1 + 1 + inner.length + (end < 0 ? 0 : 2), escaped)
  }

  #unicodeClass(match: RegExpExecArray): string {
    const name = match[2] ?? match[4] ?? ''
    const isNegated = (match[1] === 'P') !== (match[3] === '^')
    // Categories have one or two letters, everything else Go knows is a script.
    const property = name.length <= 2 ? name : `Script=${name}`
    return this.#take(1 + match[0].length, `\\${isNegated ? 'P' : 'p'}{${property}}`)
  }

  #characterClass(): string {
    let out = '['
    this.#at += 1
    if (this.#source[this.#at] === '^') out += this.#take(1, '^')
    // A closing bracket in first place stands for itself.
    if (this.#source[this.#at] === ']') out += this.#take(1, '\\]')
    while (this.#at < this.#source.length && this.refusal === undefined) {
      const rest = this.#source.slice(this.#at)
      const posix = /^\[:(\^?)(\w+):\]/.exec(rest)
      if (posix !== null) out += this.#posixClass(posix)
      else if (rest.startsWith(']')) return out + this.#take(1, ']')
      else if (rest.startsWith('\\')) out += this.#escape(true)
      else if (rest.startsWith('-')) out += this.#take(1, '-')
      else {
        const character = String.fromCodePoint(rest.codePointAt(0) ?? 0)
        out += this.#take(character.length, literal(character, true))
      }
    }
    return this.refusal === undefined ? this.#refuse('a "[" is not closed') : ''
  }

  #posixClass(match: RegExpExecArray): string {
    const members = POSIX_CLASSES.get(match[2] ?? '')
    if (members === undefined) return this.#refuse(`there is no class "${match[0]}"`)
    if (match[1] === '^') return this.#refuse(`the negated class "${match[0]}" is not supported`)
    return this.#take(match[0].length, members)
  }

  #take(length: number, translated: string): string {
    this.#at += length
    return translated
  }

  #refuse(why: string): string {
    this.refusal ??= why
    this.#at = this.#source.length
    return ''
  }
}

function literal(character: string, inClass: boolean): string {
  const special = inClass ? /[\\\]^[-]/ : /[\\^$.*+?()[\]{}|/]/
  return special.test(character) ? `\\${character}` : character
}
