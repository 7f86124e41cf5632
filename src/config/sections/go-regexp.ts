/**
 * Go's regular expressions (RE2 syntax), for `[[filter]]`.
 *
 * `re2js` is a port of Go's own engine: it has the same syntax, and takes time linear in the length
 * of the name, so that no client's line can block the process. Names are matched as bytes, as in
 * Go: a byte that is not UTF-8 counts as one U+FFFD.
 *
 * Limits: Go's. A repetition is at most 1,000, groups nest at most 1,000 deep. The time also grows
 * with the size of the expression, but only the operator writes expressions.
 */

import { RE2JS, RE2JSException } from 're2js'

export interface GoRegExp {
  /** The expression as the file has it. */
  readonly source: string
  /** Whether it matches anywhere in the bytes. */
  test(bytes: Uint8Array): boolean
}

export type CompiledGoRegExp =
  | { readonly kind: 'ok'; readonly expression: GoRegExp }
  | { readonly kind: 'bad'; readonly message: string }

const PREFIX = 'error parsing regexp: '
/** Quoted text, escapes and classes, which contain no groups; or the start of a named group. */
const TOKENS =
  /\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\[:\^?\w+:\]|\\[\s\S]|[^\]\\])*\]|\(\?P?<\w+>/g

/** Compiles; never throws. */
export function compileGoRegExp(source: string): CompiledGoRegExp {
  try {
    const compiled = compile(source)
    return { kind: 'ok', expression: { source, test: (bytes) => compiled.test(bytes) } }
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    return { kind: 'bad', message: error.message.replace(PREFIX, '') }
  }
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source)
  } catch (error) {
    if (!String(error).includes('duplicate capture group name')) throw error
    // Go accepts several groups of one name. Drop the names: no code reads what a group matched.
    return RE2JS.compile(source.replace(TOKENS, (token) => (token.startsWith('(?') ? '(' : token)))
  }
}
