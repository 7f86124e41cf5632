/**
 * What of a record may be shown: never credentials, and nothing that a terminal would obey. Pure.
 */

import type { Credentials } from '../../write/write.ts'

/** C0 but tab, C1, and what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\0-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const SCHEME = /^(Basic|Token|Bearer) /i

/** The text with `\x1b` and the like in place of what is no letter. */
export function printable(text: string): string {
  return text.replace(OBEYED, (char) => {
    const code = char.charCodeAt(0)
    const digits = code.toString(16)
    return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`
  })
}

/** A name in quotes. */
export function quoted(name: string): string {
  return printable(JSON.stringify(name))
}

/** That there are some, and of which form. */
export function redactedCredentials({ authorization, query }: Credentials): string {
  const scheme = SCHEME.exec(authorization)?.[1]
  const header = authorization === '' ? [] : [scheme === undefined ? '***' : `${scheme}:***`]
  return [...header, ...(query === '' ? [] : ['query:***'])].join('+') || 'none'
}

/** The statement on one line, without what stands behind the word "password". */
export function redactedStatement(text: string): string {
  return printable(
    text
      .replace(/(password)[\s\S]*/i, '$1 ***')
      .replace(/\s+/g, ' ')
      .trim(),
  )
}
