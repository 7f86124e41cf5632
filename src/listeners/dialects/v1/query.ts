/**
 * Finds the `q` of a request to `/query` where Go's `FormValue` finds it. Pure.
 *
 * In order: a form in the body (urlencoded), the URL, a part of a multipart body (a field or a
 * file).
 */

import { isUtf8 } from 'node:buffer'
import { type GoQuery, isQueryText, parseGoQuery, queryText } from '../go-query.ts'

export interface QueryRequest {
  /** The text after the question mark. */
  readonly query: string
  readonly contentType: string
  readonly body: Buffer
}

export interface FoundStatement {
  /** Without blanks around it; '' when there is none. */
  readonly text: string
  /** False: bytes of it are no text, and stand in `text` as U+FFFD. */
  readonly isUtf8: boolean
}

export function findStatement({ query, contentType, body }: QueryRequest): FoundStatement {
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase()
  if (mediaType === 'application/x-www-form-urlencoded') {
    const inForm = statementOf(parseGoQuery(body.toString('latin1')))
    if (inForm.text !== '') return inForm
  }
  const inUrl = statementOf(parseGoQuery(query))
  if (inUrl.text !== '' || mediaType !== 'multipart/form-data') return inUrl
  const bytes = multipartField(contentType, body)
  return { text: bytes.toString('utf8').trim(), isUtf8: isUtf8(bytes) }
}

function statementOf(query: GoQuery): FoundStatement {
  return { text: queryText(query, 'q').trim(), isUtf8: isQueryText(query, 'q') }
}

const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i
const NOTHING = Buffer.alloc(0)
const NAME_IS_Q = /^content-disposition:[^\r\n]*;\s*name="?q"?\s*(?:;|$)/im

function multipartField(contentType: string, body: Buffer): Buffer {
  const match = BOUNDARY.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) return NOTHING
  // A line end before the first boundary lets all of them be found the same way.
  const parts = `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`)
  for (const part of parts.slice(1, -1)) {
    const headEnd = part.indexOf('\r\n\r\n')
    if (headEnd < 0 || !NAME_IS_Q.test(part.slice(0, headEnd))) continue
    return Buffer.from(part.slice(headEnd + 4), 'latin1')
  }
  return NOTHING
}
