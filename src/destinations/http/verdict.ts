/**
 * What an answer of an HTTP output means. Only this file decides, and only from the answer: the
 * rules are a table, read from top to bottom; the first rule that matches gives the verdict.
 *
 * The rules match the text as well as the status: InfluxDB answers 500 for some permanent refusals
 * (`retention policy not found`), and 400 for writes that it has stored in part. Error texts echo
 * what clients have sent, so the patterns match at the beginning of a text.
 *
 * Sources: InfluxDB 1.x services/httpd and coordinator, measured on 1.6.7; docs/outputs.md has the
 * table for people.
 *
 * Not here: what the drain loop does with a verdict. Where answers to lines, to a statement and to
 * a body in another format look alike, one rule judges all three; the drain loop knows that a
 * statement or such a body cannot be split.
 */

import type { OutputDialect } from '../../config/config.ts'
import { droppedCount, refusalCause } from '../../line-protocol/rejected/cause.ts'
import { retryAfterMs } from '../../std/backoff.ts'
import { unreachable } from '../../std/errors.ts'
import { detachedText } from '../../std/unpooled.ts'
import { type Reply, refusedReply } from '../../write/reply.ts'
import type { Write } from '../../write/write.ts'
import type { RetryVerdict, Verdict } from '../destination.ts'
import {
  type Answer,
  type AnswerForm,
  type AnswerWords,
  firstLineError,
  readWords,
  refusedLineNumbers,
} from './answer.ts'

type Meaning =
  | 'delivered'
  /** All lines but some are stored; the text may tell which are not. */
  | 'partly'
  /** As `partly`, and the answer gives the numbers of the refused lines. */
  | 'partly, numbered'
  | 'split to writes'
  | 'split to lines'
  /** The database or retention policy is missing on the server. */
  | 'target missing'
  /** As `credentials refused`, but for this database only. */
  | 'no rights to target'
  /** A hold when the credentials are the output's own, a refusal when they are the client's. */
  | 'credentials refused'
  | 'refused'
  /** The server has no such statement, or no path for statements. This is not a refusal. */
  | 'unsupported'
  /** Refused by something that does not sound like a database. */
  | 'refused, unconfirmed'
  /** The server declined for now and has done nothing. */
  | 'busy'
  /** The server may have carried the request out, or may still do so. The data is not the cause. */
  | 'unfinished'
  /** As `unfinished`, but the data may be the cause. */
  | 'failed'
  /** No server answers a write like this: the location is probably wrong. */
  | 'misplaced'

type StatusClass = '2xx' | '3xx' | '4xx' | '5xx'

/** A property that is left out matches every answer. */
interface Rule {
  readonly on?: StatusClass | readonly number[]
  readonly dialects?: readonly OutputDialect[]
  readonly kinds?: readonly Write['kind'][]
  readonly forms?: readonly AnswerForm[]
  readonly text?: RegExp
  /**
   * InfluxDB 3 names refused lines in a list, and a single line that made it refuse all in an
   * object.
   */
  readonly data?: 'list' | 'object'
  readonly means: Meaning
}

const V1_V2: readonly OutputDialect[] = ['v1', 'v2']
/** Forms in which a database answers; a proxy, a web page and an empty answer have others. */
const WORDS: readonly AnswerForm[] = ['error', 'coded', 'text']
/** InfluxDB 2 and 1.x put their own words before these, which never quote what a client sent. */
const PARTIAL = /^(?:[\w ]+: )*partial write: /
const BEYOND_RETENTION = /^(?:[\w ]+: )*points beyond retention policy/
const MISSING = /^database not found|bucket|organization|dbrp/i
/** InfluxDB 1.x: the user is known, but may not write to this database. */
const NOT_ITS_DATABASE = /not authorized to write to database/
const POLICY_MISSING = /^retention policy not found/
const OVERLOADED =
  /^(?:[\w ]+: )*(?:timeout$|engine is closed|engine: |cache-max-memory-size exceeded)/
/** VictoriaMetrics answers this for an unknown path, and quotes the request's URI before it. */
const UNKNOWN_PATH = /^(?:remoteAddr: [^;]*; requestURI: \S*; )?unsupported path requested: /

/** InfluxDB 2 and 3. */
const NOT_IMPLEMENTED = /not implemented: CREATE DATABASE/i
/** VictoriaMetrics answers every query with a list of databases. */
const HAS_SERIES = /^\{"results":\[\{[^[{]*"series":/

const RULES: readonly Rule[] = [
  // Some servers create databases by themselves or have no CREATE DATABASE, but many clients send
  // one at each start. A web page is no proof: a proxy may have sent it in place of the server.
  { on: [404, 405, 501], kinds: ['statement'], forms: ['page'], means: 'refused, unconfirmed' },
  { on: [404, 405, 501], kinds: ['statement'], means: 'unsupported' },
  { on: [400], kinds: ['statement'], forms: ['text'], text: UNKNOWN_PATH, means: 'unsupported' },
  { kinds: ['statement'], forms: WORDS, text: NOT_IMPLEMENTED, means: 'unsupported' },
  {
    on: '2xx',
    kinds: ['statement'],
    forms: ['stranger'],
    text: HAS_SERIES,
    means: 'unsupported',
  },

  { on: '2xx', forms: ['page'], means: 'misplaced' },
  { on: '2xx', kinds: ['statement'], forms: ['error'], means: 'refused' },
  { on: '2xx', means: 'delivered' },
  { on: '3xx', means: 'misplaced' },

  // The user may write but not create databases. That says nothing about lines, so no lines wait.
  { on: [403], kinds: ['statement'], forms: WORDS, means: 'refused' },
  { on: [403], kinds: ['statement'], means: 'refused, unconfirmed' },
  // One client's database must not stop everybody's.
  { on: [403], forms: WORDS, text: NOT_ITS_DATABASE, means: 'no rights to target' },
  { on: [401, 403], means: 'credentials refused' },

  { on: [404], dialects: V1_V2, forms: WORDS, text: MISSING, means: 'target missing' },
  {
    on: [404],
    dialects: ['v3'],
    forms: ['error', 'coded'],
    text: /database|bucket/i,
    means: 'target missing',
  },
  // Many databases have no Prometheus endpoint. Lines behind such a request must not wait for ever.
  { on: [404], kinds: ['opaque'], means: 'refused, unconfirmed' },
  { on: [404], means: 'misplaced' },
  { on: [400], kinds: ['lines'], forms: ['text'], text: UNKNOWN_PATH, means: 'misplaced' },
  { on: [405], means: 'refused, unconfirmed' },

  // InfluxDB 2: its own deadline passed, or the connection closed, in the middle of the request.
  { on: [408, 499], dialects: ['v2'], means: 'unfinished' },
  { on: [408, 425, 429], means: 'busy' },
  { on: [413], means: 'split to lines' },

  // InfluxDB 3, on `/write` as well.
  { on: [400, 422], data: 'list', means: 'partly, numbered' },
  { on: [400, 422], data: 'object', means: 'split to lines' },
  // InfluxDB 3, when the answer was cut at ANSWER_BODY_MAX_BYTES and its list cannot be parsed.
  { on: [400, 422], text: /^partial write of line protocol occurred$/, means: 'partly' },

  // InfluxDB 2 answers 422, on `/write` as well.
  { on: [400, 422], dialects: V1_V2, forms: WORDS, text: PARTIAL, means: 'partly' },
  { on: [422], dialects: ['v2'], forms: WORDS, text: / dropped=\d/, means: 'partly' },
  // InfluxDB 2 and QuestDB (coded) and VictoriaMetrics (plain words) store nothing of a body that
  // holds one bad line. Clients expect what InfluxDB 1.x does, which stores the other lines.
  { on: [400], dialects: ['v2'], forms: WORDS, means: 'split to lines' },
  { on: [400], dialects: ['v1'], forms: ['coded', 'text'], means: 'split to lines' },
  // InfluxDB 1.x refuses a whole request. Merged writes are split, so that each client's write is
  // stored or refused as a whole.
  { on: '4xx', forms: WORDS, means: 'split to writes' },
  { on: '4xx', means: 'refused, unconfirmed' },

  // InfluxDB 1.x answers 5xx with these texts for a fault of the write, not of the server.
  {
    on: '5xx',
    dialects: V1_V2,
    kinds: ['statement'],
    forms: WORDS,
    text: POLICY_MISSING,
    means: 'refused',
  },
  {
    on: '5xx',
    dialects: V1_V2,
    forms: WORDS,
    text: POLICY_MISSING,
    means: 'target missing',
  },
  { on: '5xx', dialects: V1_V2, forms: WORDS, text: PARTIAL, means: 'partly' },
  { on: '5xx', dialects: V1_V2, forms: WORDS, text: BEYOND_RETENTION, means: 'partly' },
  {
    on: '5xx',
    dialects: V1_V2,
    forms: WORDS,
    text: /unable to parse|invalid UTF-8/,
    means: 'split to lines',
  },
  // A 503 comes before the work has begun; a gateway's 502 or 504 may come in the middle of it.
  { on: [503], means: 'busy' },
  { on: [502, 504], means: 'unfinished' },
  { on: '5xx', text: OVERLOADED, means: 'unfinished' },
  { on: '5xx', means: 'failed' },
  { means: 'misplaced' },
]

export interface JudgeOptions {
  readonly dialect: OutputDialect
  readonly kind: Write['kind']
  /** The output has its own credentials; a refusal of these says nothing about the client's. */
  readonly hasOwnCredentials: boolean
  /**
   * Wall clock, milliseconds since 1970. Used for a `Retry-After` with a date when the answer has
   * no `Date` header.
   */
  readonly nowMs: number
}

export function judge(answer: Answer, options: JudgeOptions): Verdict {
  const words = readWords(answer)
  const meaning = RULES.find((rule) => fits(rule, answer, words, options))?.means ?? 'misplaced'
  const reply = () => replyOf(answer, words, options)
  switch (meaning) {
    case 'delivered':
      return { kind: 'delivered', body: options.kind === 'statement' ? answer.body : '', lost: [] }
    case 'partly':
      return partly(reply(), words)
    case 'partly, numbered':
      return partlyNumbered(reply(), words)
    case 'split to writes':
      return { kind: 'split', downTo: 'write', reply: reply() }
    case 'split to lines':
      return { kind: 'split', downTo: 'line', reply: reply() }
    case 'target missing':
      return { kind: 'hold', scope: 'target', reply: reply() }
    case 'no rights to target':
    case 'credentials refused': {
      if (!options.hasOwnCredentials) return refused(reply())
      const scope = meaning === 'credentials refused' ? 'output' : 'rights'
      return { kind: 'hold', scope, reply: reply() }
    }
    case 'refused':
      return refused(reply())
    case 'unsupported':
      return { kind: 'unsupported', reply: reply() }
    case 'refused, unconfirmed':
      return { kind: 'refused', reply: reply(), isUnconfirmed: true }
    case 'busy':
    case 'unfinished':
    case 'failed':
    case 'misplaced':
      return retry(answer, { meaning, text: whyOf(answer, words, meaning), nowMs: options.nowMs })
    default:
      return unreachable(meaning)
  }
}

function refused(reply: Reply): Verdict {
  return { kind: 'refused', reply, isUnconfirmed: false }
}

function fits(rule: Rule, { status }: Answer, words: AnswerWords, options: JudgeOptions): boolean {
  return (
    isOn(rule, status) &&
    has(rule.dialects, options.dialect) &&
    has(rule.kinds, options.kind) &&
    has(rule.forms, words.form) &&
    (rule.text === undefined || rule.text.test(words.text)) &&
    (rule.data === undefined || rule.data === dataForm(words))
  )
}

function isOn({ on }: Rule, status: number): boolean {
  if (on === undefined) return true
  return typeof on === 'string' ? on === `${Math.floor(status / 100)}xx` : on.includes(status)
}

function has<T>(allowed: readonly T[] | undefined, value: T): boolean {
  return allowed === undefined || allowed.includes(value)
}

function dataForm({ data }: AnswerWords): Rule['data'] {
  if (data === undefined) return undefined
  return Array.isArray(data) ? 'list' : 'object'
}

function partly(reply: Reply, { text }: AnswerWords): Verdict {
  return { kind: 'partly', reply, refusedCount: droppedCount(text), cause: refusalCause(text) }
}

function partlyNumbered(reply: Reply, { data }: AnswerWords): Verdict {
  const lines = refusedLineNumbers(data)
  const isTold = lines !== undefined && lines.length > 0
  return {
    kind: 'partly',
    reply,
    refusedCount: isTold ? lines.length : undefined,
    cause: isTold ? { kind: 'line-numbers', lines } : { kind: 'unknown' },
  }
}

/** The server's own words, for the client. */
function replyOf(answer: Answer, words: AnswerWords, { kind }: JudgeOptions): Reply {
  const detail = firstLineError(words.data)
  const text = detail === '' ? words.text : `${words.text}: ${detail}`
  const reply = refusedReply(answer.status, text, answer.headers['www-authenticate'])
  // The statement failed behind a status 200: the client gets the result unchanged.
  return kind === 'statement' && answer.status < 300 ? { ...reply, body: answer.body } : reply
}

/** Every stream keeps its reason while a request waits for the next attempt. */
const WHY_MAX_CHARACTERS = 300

type RetryMeaning = Extract<Meaning, 'busy' | 'unfinished' | 'failed' | 'misplaced'>

function whyOf({ status }: Answer, { text }: AnswerWords, meaning: RetryMeaning): string {
  if (meaning !== 'misplaced') return text
  const isRedirect = status >= 300 && status < 400
  const what = isRedirect ? 'a redirect, which is never followed' : text
  return what === '' ? 'is its location right?' : `${what}: is its location right?`
}

interface RetryOptions {
  readonly meaning: RetryMeaning
  readonly text: string
  readonly nowMs: number
}

function retry(answer: Answer, { meaning, text, nowMs }: RetryOptions): RetryVerdict {
  const header = answer.headers['retry-after']
  // A date in `Retry-After` is a time of the server's clock, which may differ from ours.
  const itsNowMs = Date.parse(answer.headers['date'] ?? '')
  return {
    kind: 'retry',
    why: detachedText(`answered ${answer.status} ${text}`.slice(0, WHY_MAX_CHARACTERS).trim()),
    retryAfterMs:
      header === undefined
        ? undefined
        : retryAfterMs(header, Number.isNaN(itsNowMs) ? nowMs : itsNowMs),
    hasBegun: meaning === 'unfinished' || meaning === 'failed',
    isDown: false,
    evidence: meaning === 'failed' ? 'error' : 'none',
  }
}
