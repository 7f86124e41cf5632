/**
 * Makes records safe to print: no credentials, and no control characters for a terminal. Pure.
 */

import { printable } from '../../std/printable.ts'
import type { Credentials } from '../../write/write.ts'

const SCHEME = /^(Basic|Token|Bearer) /i

/** A name in quotes. */
export function quoted(name: string): string {
  return printable(JSON.stringify(name))
}

/** Which forms of credentials there are, without their values. */
export function redactedCredentials({ authorization, query }: Credentials): string {
  const scheme = SCHEME.exec(authorization)?.[1]
  const header = authorization === '' ? [] : [scheme === undefined ? '***' : `${scheme}:***`]
  return [...header, ...(query === '' ? [] : ['query:***'])].join('+') || 'none'
}

/** The statement on one line, without the text after the word "password". */
export function redactedStatement(text: string): string {
  return printable(
    text
      .replace(/(password)[\s\S]*/i, '$1 ***')
      .replace(/\s+/g, ' ')
      .trim(),
  )
}
