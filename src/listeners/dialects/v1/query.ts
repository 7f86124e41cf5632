/**
 * Finds the `q` of a request to `/query` where Go's `FormValue` finds it. Pure.
 *
 * In order: a form in the body (urlencoded), the URL, a part of a multipart body (a field or a
 * file).
 */

import { parseGoQuery, queryText } from '../go-query.ts'

export interface QueryRequest {
  /** The text after the question mark. */
  readonly query: string
  readonly contentType: string
  readonly body: Buffer
}

/** @returns the text of `q`, without blanks around it; '' when there is none */
export function findStatement({ query, contentType, body }: QueryRequest): string {
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase()
  if (mediaType === 'application/x-www-form-urlencoded') {
    const inForm = queryText(parseGoQuery(body.toString('latin1')), 'q').trim()
    if (inForm !== '') return inForm
  }
  const inUrl = queryText(parseGoQuery(query), 'q').trim()
  if (inUrl !== '' || mediaType !== 'multipart/form-data') return inUrl
  return multipartField(contentType, body).trim()
}

const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i
const NAME_IS_Q = /^content-disposition:[^\r\n]*;\s*name="?q"?\s*(?:;|$)/im

function multipartField(contentType: string, body: Buffer): string {
  const match = BOUNDARY.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) return ''
  // With a line end before the first boundary, one search finds every boundary.
  const parts = `\r\n${body.toString('latin1')}`.split(`\r\n--${boundary}`)
  for (const part of parts.slice(1, -1)) {
    const headEnd = part.indexOf('\r\n\r\n')
    if (headEnd < 0 || !NAME_IS_Q.test(part.slice(0, headEnd))) continue
    return Buffer.from(part.slice(headEnd + 4), 'latin1').toString('utf8')
  }
  return ''
}
