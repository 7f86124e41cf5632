/**
 * What an answer of an HTTP output means. Decided here and nowhere else, from the answer alone: a
 * table, read from top to bottom; the first rule that fits is the verdict.
 *
 * Judged by the text as well as by the status: InfluxDB answers 500 for some refusals for good
 * (`retention policy not found`), and 400 for writes that it has stored in part. Texts echo what
 * clients have sent, so those that matter are looked for at their beginning.
 *
 * Sources: InfluxDB 1.x services/httpd and coordinator, measured on 1.6.7; docs/outputs.md has the
 * table for people.
 *
 * Not here: what follows. A statement or a body in another format is judged as lines are where the
 * answer does not tell them apart; that it cannot be split is for the drain loop to know.
 */

import type { OutputDialect } from '../../config/config.ts'
import { droppedCount, refusalClue } from '../../line-protocol/rejected/refusal-clue.ts'
import { retryAfterMs } from '../../std/backoff.ts'
import { unreachable } from '../../std/errors.ts'
import { ownText } from '../../std/own-memory.ts'
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
  /** Stored but for some lines; which, the text may tell. */
  | 'partly'
  /** The same, and their numbers are given. */
  | 'partly, numbered'
  | 'split to writes'
  | 'split to lines'
  /** Its database or retention policy is missing there. */
  | 'target missing'
  /** As `credentials refused`, but for this database only. */
  | 'no rights to target'
  /** A hold when they are the output's own, a refusal when they are the client's. */
  | 'credentials refused'
  | 'refused'
  /** The server has no such statement, or no path for any: nothing was refused. */
  | 'unsupported'
  /** Refused by something that does not sound like a database. */
  | 'refused in doubt'
  /** Not this time, and nothing has been done. */
  | 'busy'
  /** May have been carried out, or may still be; the data is not to blame. */
  | 'unfinished'
  /** The same, but nothing says that it was not the data. */
  | 'failed'
  /** Nothing that an answer to a write could be: the location is probably wrong. */
  | 'misplaced'

type StatusClass = '2xx' | '3xx' | '4xx' | '5xx'

/** What is left out fits everything. */
interface Rule {
  readonly on?: StatusClass | readonly number[]
  readonly dialects?: readonly OutputDialect[]
  readonly kinds?: readonly Write['kind'][]
  readonly forms?: readonly AnswerForm[]
  readonly text?: RegExp
  /** InfluxDB 3 tells of refused lines in a list, of the one that spoiled them all in an object. */
  readonly data?: 'list' | 'object'
  readonly means: Meaning
}

const V1_V2: readonly OutputDialect[] = ['v1', 'v2']
/** What a database says, as against a proxy, a web page, or nothing. */
const WORDS: readonly AnswerForm[] = ['error', 'coded', 'text']
/** InfluxDB 2 and 1.x put words of their own before it; those never quote what a client sent. */
const PARTIAL = /^(?:[\w ]+: )*partial write: /
const BEYOND_RETENTION = /^(?:[\w ]+: )*points beyond retention policy/
const MISSING = /^database not found|bucket|organization|dbrp/i
/** InfluxDB 1.x: the user is known, and has no right to this one database. */
const NOT_ITS_DATABASE = /not authorized to write to database/
const POLICY_MISSING = /^retention policy not found/
const OVERLOADED =
  /^(?:[\w ]+: )*(?:timeout$|engine is closed|engine: |cache-max-memory-size exceeded)/
/** VictoriaMetrics, of a path that it does not know; the location's own is quoted before it. */
const UNKNOWN_PATH = /^(?:remoteAddr: [^;]*; requestURI: \S*; )?unsupported path requested: /

/** InfluxDB 2 and 3. */
const NOT_IMPLEMENTED = /not implemented: CREATE DATABASE/i
/** VictoriaMetrics answers every query with a list of databases. */
const HAS_SERIES = /^\{"results":\[\{[^[{]*"series":/

const RULES: readonly Rule[] = [
  // Databases that come into being by themselves, or in another way: many clients send a CREATE
  // DATABASE at each start, whoever is behind.
  // A web page may stand in for a server that has it.
  { on: [404, 405, 501], kinds: ['statement'], forms: ['page'], means: 'refused in doubt' },
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

  // A user who may write and not create: no word on any lines, and nothing that they should wait
  // for.
  { on: [403], kinds: ['statement'], forms: WORDS, means: 'refused' },
  { on: [403], kinds: ['statement'], means: 'refused in doubt' },
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
  // Many databases do not have Prometheus's endpoint: lines behind it must not wait for ever.
  { on: [404], kinds: ['opaque'], means: 'refused in doubt' },
  { on: [404], means: 'misplaced' },
  { on: [400], kinds: ['lines'], forms: ['text'], text: UNKNOWN_PATH, means: 'misplaced' },
  { on: [405], means: 'refused in doubt' },

  // InfluxDB 2: its own deadline, or the connection, ended in the middle of it.
  { on: [408, 499], dialects: ['v2'], means: 'unfinished' },
  { on: [408, 425, 429], means: 'busy' },
  { on: [413], means: 'split to lines' },

  // InfluxDB 3 also behind `/write`.
  { on: [400, 422], data: 'list', means: 'partly, numbered' },
  { on: [400, 422], data: 'object', means: 'split to lines' },
  // The list was cut at the reader's limit.
  { on: [400, 422], text: /^partial write of line protocol occurred$/, means: 'partly' },

  // InfluxDB 2 answers 422, also behind `/write`.
  { on: [400, 422], dialects: V1_V2, forms: WORDS, text: PARTIAL, means: 'partly' },
  { on: [422], dialects: ['v2'], forms: WORDS, text: / dropped=\d/, means: 'partly' },
  // InfluxDB 2 and QuestDB (coded) and VictoriaMetrics (plain words) store nothing of a body with
  // one line that they do not take, while InfluxDB 1.x, whose word clients have, stores the others.
  { on: [400], dialects: ['v2'], forms: WORDS, means: 'split to lines' },
  { on: [400], dialects: ['v1'], forms: ['coded', 'text'], means: 'split to lines' },
  // InfluxDB 1.x has refused the whole request: each client's own is to be refused whole.
  { on: '4xx', forms: WORDS, means: 'split to writes' },
  { on: '4xx', means: 'refused in doubt' },

  // InfluxDB 1.x says these of the write, not of itself.
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
  // A 503 is said before the work, by a gateway perhaps in the middle of it.
  { on: [503], means: 'busy' },
  { on: [502, 504], means: 'unfinished' },
  { on: '5xx', text: OVERLOADED, means: 'unfinished' },
  { on: '5xx', means: 'failed' },
  { means: 'misplaced' },
]

export interface JudgeOptions {
  readonly dialect: OutputDialect
  /** What was sent. */
  readonly kind: Write['kind']
  /** The output has credentials of its own: a refusal of them is no word on the client's write. */
  readonly hasOwnCredentials: boolean
  /**
   * Wall clock, milliseconds since 1970: for a `Retry-After` with a date, and no `Date` beside it.
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
    case 'refused in doubt':
      return { kind: 'refused', reply: reply(), isDoubtful: true }
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
  return { kind: 'refused', reply, isDoubtful: false }
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
  return { kind: 'partly', reply, refusedCount: droppedCount(text), clue: refusalClue(text) }
}

function partlyNumbered(reply: Reply, { data }: AnswerWords): Verdict {
  const lines = refusedLineNumbers(data)
  const isTold = lines !== undefined && lines.length > 0
  return {
    kind: 'partly',
    reply,
    refusedCount: isTold ? lines.length : undefined,
    clue: isTold ? { kind: 'line-numbers', lines } : { kind: 'unknown' },
  }
}

/** The server's own words, for the client. */
function replyOf(answer: Answer, words: AnswerWords, { kind }: JudgeOptions): Reply {
  const detail = firstLineError(words.data)
  const text = detail === '' ? words.text : `${words.text}: ${detail}`
  const reply = refusedReply(answer.status, text, answer.headers['www-authenticate'])
  // A statement that failed behind a 200: the client gets the result as it came.
  return kind === 'statement' && answer.status < 300 ? { ...reply, body: answer.body } : reply
}

/** Kept as long as a request waits for its next attempt, by every stream that does. */
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
  // A date is one of its clock; ours may have been set.
  const itsNowMs = Date.parse(answer.headers['date'] ?? '')
  return {
    kind: 'retry',
    why: ownText(`answered ${answer.status} ${text}`.slice(0, WHY_MAX_CHARACTERS).trim()),
    retryAfterMs:
      header === undefined
        ? undefined
        : retryAfterMs(header, Number.isNaN(itsNowMs) ? nowMs : itsNowMs),
    hasBegun: meaning === 'unfinished' || meaning === 'failed',
    isDown: false,
    suspicion: meaning === 'failed' ? 'error' : 'none',
  }
}
