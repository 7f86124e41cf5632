/**
 * An answer of an HTTP output, and the error text in it.
 *
 * The form of an answer shows who sent it: `{"error":…}` is InfluxDB 1.x and 3,
 * `{"code":…,"message":…}` is InfluxDB 2 and QuestDB, plain words are VictoriaMetrics. A web page,
 * an empty body or any other JSON comes from a proxy or an unknown server.
 *
 * Nothing here throws: every answer has a form.
 */

/** Header names are in lower case; the body is cut at ANSWER_BODY_MAX_BYTES (exchange.ts). */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * `error`: JSON with an `error` text, at the top or in a statement's result. `coded`: JSON with
 * `code` and `message`. `text`: plain words. `stranger`: any other JSON, or the default text of a
 * web server.
 */
export type AnswerForm = 'error' | 'coded' | 'text' | 'empty' | 'page' | 'stranger'

export interface AnswerWords {
  readonly form: AnswerForm
  /** The error text for people; for a web page, its title. */
  readonly text: string
  /** InfluxDB 3: the details of single lines. */
  readonly data: readonly unknown[] | Readonly<Record<string, unknown>> | undefined
}

export function readWords(answer: Answer): AnswerWords {
  const { body, headers } = answer
  const text = body.trim()
  const type = headers['content-type'] ?? ''
  if (type.startsWith('text/html') || text.startsWith('<')) return words('page', pageTitle(text))
  if (text === '') return words('empty', '')
  if (text.startsWith('{')) return jsonWords(text)
  const isText = type === '' || type.startsWith('text/plain')
  // The default text of a web server begins with the status: `404 page not found`.
  return words(isText && !text.startsWith(`${answer.status} `) ? 'text' : 'stranger', text)
}

function words(form: AnswerForm, text: string): AnswerWords {
  return { form, text, data: undefined }
}

function pageTitle(text: string): string {
  const title = /<title>([^<]{1,200})/i.exec(text)?.[1]?.trim() ?? ''
  return title === '' ? 'a web page' : `a web page: ${title}`
}

function jsonWords(text: string): AnswerWords {
  const fields = parseObject(text)
  if (fields === undefined) return cutWords(text)
  const { error, code, message, data } = fields
  if (typeof error === 'string') return { form: 'error', text: error, data: asData(data) }
  if (typeof message === 'string') {
    return words(typeof code === 'string' ? 'coded' : 'stranger', message)
  }
  const statementError = firstStatementError(fields)
  return statementError === undefined ? words('stranger', text) : words('error', statementError)
}

const JSON_HEAD = /^\{\s*(?:"code"\s*:\s*"[^"]*"\s*,\s*)?"(error|message)"\s*:\s*(?=")/
const OPEN_STRING = /^"(?:[^"\\]|\\(?:["\\/bfnrt]|u[\da-f]{4}))*/i

/** Reads an answer that was cut at the size limit: returns as much of its text as there is. */
function cutWords(text: string): AnswerWords {
  const [head = '', name] = JSON_HEAD.exec(text) ?? []
  const start = OPEN_STRING.exec(text.slice(head.length))?.[0]
  try {
    const value: unknown = JSON.parse(`${start}"`)
    return words(name === 'error' ? 'error' : 'coded', String(value))
  } catch {
    return words('stranger', text) // Not JSON: the text as it is.
  }
}

function firstStatementError(fields: Fields): string | undefined {
  const results = fields['results']
  if (!Array.isArray(results)) return undefined
  for (const result of results as unknown[]) {
    const error = isObject(result) ? result['error'] : undefined
    if (typeof error === 'string') return error
  }
  return undefined
}

/**
 * Numbers of the lines that InfluxDB 3 refused, counted from 0.
 *
 * @returns `undefined` when the server does not give a number for each line
 */
export function refusedLineNumbers(data: AnswerWords['data']): readonly number[] | undefined {
  if (!isList(data)) return undefined
  const lines = new Set<number>()
  for (const each of data) {
    const number = isObject(each) ? each['line_number'] : undefined
    if (typeof number !== 'number' || !Number.isInteger(number) || number < 1) return undefined
    lines.add(number - 1)
  }
  return [...lines]
}

/** The first reason that InfluxDB 3 gives for a single line, or ''. */
export function firstLineError(data: AnswerWords['data']): string {
  const first: unknown = isList(data) ? data[0] : data
  const error = isObject(first) ? first['error_message'] : undefined
  return typeof error === 'string' ? error : ''
}

type Fields = Readonly<Record<string, unknown>>

function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined // Not JSON: `cutWords` reads the text.
  }
}

function asData(value: unknown): AnswerWords['data'] {
  return isList(value) || isObject(value) ? value : undefined
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}
