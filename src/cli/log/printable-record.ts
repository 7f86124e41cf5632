/**
 * What of a record may be shown: never credentials, and nothing that a terminal would obey. Pure.
 */

import { printable } from '../../std/printable.ts'
import type { Credentials } from '../../write/write.ts'

const SCHEME = /^(Basic|Token|Bearer) /i

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
