/**
 * Words that mean something in this project only, with the standard term for each.
 *
 * An engineer who knows InfluxDB, Kafka and nginx reads a term of the field once and a private word
 * twice. The list is data; `test/tidy.test.ts` holds src/, docs/, the README and CONTRIBUTING to
 * it.
 */

export interface BannedWord {
  /** Forms in lower case: as words and as parts of names (`elector`, `isElector`), in all text. */
  readonly text?: string
  /**
   * Forms in lower case, as parts of names in code only: in a sentence they are plain English. A
   * comment's `…` is code.
   */
  readonly part?: string
  /** Whole names, in code; those that are no English words, in comments and texts as well. */
  readonly name?: string
  /** Names of files in src/, without `.ts`. */
  readonly file?: string
  readonly instead: string
  /** Removed from a text before the check: names that users know. */
  readonly except?: RegExp
}

export const BANNED_WORDS: readonly BannedWord[] = [
  // Who decides what the client is told: Raft, Kafka.
  { text: 'elector electors', instead: 'voter' },
  { text: 'ballot ballots', instead: 'pending ack' },
  { text: 'vote votes', instead: 'ack' },
  { text: 'tally tallies', instead: 'acks' },
  { name: 'canVote isLive', instead: 'inSync' },
  { name: 'giveUp gaveUp', instead: 'stopWaiting; drop; expire; abort' },
  { name: 'isBehind', instead: 'isReadingDisk; of a stream, isBackingOff' },
  { text: 'outspoken', instead: 'say what the output may still answer' },
  { text: 'disowned', instead: 'wasClientRefused' },
  // Where an output is in the log: Kafka.
  {
    part: 'unread',
    instead: 'lag',
    except: /\b(?:relay_output_)?unread_(?:writes|bytes)\b/g,
  },
  { part: 'owing', file: 'owing', instead: 'lag; output positions' },
  { name: 'Place Places placeOf', file: 'place', instead: 'OutputCursor' },
  { file: 'starting-places', instead: 'restore-cursors' },
  // What an output sends of the log: AMQP, Kafka.
  { name: 'Taken', instead: 'Delivery' },
  { name: 'Part', file: 'part', instead: 'Slice' },
  { name: 'Group', instead: 'Batch' },
  { name: 'Pace pace paces', file: 'pace', instead: 'flow control; batch sizing' },
  { part: 'gather gathering', instead: 'linger' },
  // What follows a failure: queues, replication.
  { text: 'setback setbacks', instead: 'retry' },
  { text: 'suspect suspects suspected suspicion', instead: 'poison candidate' },
  { text: 'condemn condemned', instead: 'reject as poison' },
  { part: 'doubt doubts doubtful', instead: 'unconfirmed rejection' },
  { text: 'hurry', instead: 'urgent' },
  { text: 'hasten', instead: 'retryNow' },
  { text: 'clue clues', instead: 'cause' },
  { text: 'sift sifts sifted sifting', instead: 'partition' },
  {
    text: 'dispute disputes disputed',
    instead: 'divergence',
    except: /\brelay_disputed_writes_total\b/g,
  },
  { text: 'desk', instead: 'dead-letter admin' },
  { name: 'LetterWriter', instead: 'the store of dead letters' },
  // How a request comes in: nginx.
  {
    text: 'lane lanes',
    instead: 'fast path; handler; tier of the scanner',
    except: /(?<=[`'/(# ])fast-lane(?=[`'.]| =)/g,
  },
  { text: 'intake', instead: 'ingest' },
  { name: 'WritePlan WritePlans', instead: 'parsed write request' },
  // Memory.
  { name: 'yieldMemory yieldableBytes', instead: 'reclaim' },
  { part: 'relieve relieved', instead: 'reclaim' },
  { name: 'handOn waste', instead: 'lease' },
  { name: 'ownCopy ownConcat', file: 'own-memory', instead: 'unpooled' },
  // Names that several things or several rooms use.
  { name: 'FileMark', file: 'file-extent', instead: 'FileCheckpoint' },
  { file: 'log-sink output-log', instead: 'logger-sink; output-messages: log/ is the log' },
  { file: 'log-reader read-log', instead: 'segment-reader; offline-reader' },
  { file: 'refusals', instead: 'parse-errors; rejected-lines' },
  { file: 'key', instead: 'config-key; series-key' },
  { file: 'settle', instead: 'self-contained-line' },
  { file: 'locate', instead: 'key-lines' },
  { file: 'client', instead: 'merge-penalty' },
  // Parts that any program has.
  { name: 'OwnReads', file: 'own-reads', instead: 'direct reads' },
  { name: 'inSlices', file: 'slices', instead: 'time slicing' },
  { name: 'Generations', file: 'generations', instead: 'TwoGenerationCache' },
  { name: 'Numbered', file: 'numbered', instead: 'SequenceMap' },
  { file: 'throttle', instead: 'log-throttle' },
  // The log on disk, and who has it.
  { name: 'seeTakeover', instead: 'inspectTakeover' },
  { name: 'LogUsers lookAround', file: 'log-users', instead: 'LogCallbacks; checkDeadLetters' },
  { name: 'RememberedWrite', instead: 'WriteInMemory' },
  { name: 'LogRoom', file: 'log-room', instead: 'LogCapacity' },
  { name: 'SyncedPlace', instead: 'OutputProgress' },
  { file: 'handed-over', instead: 'may-deliver' },
  { name: 'giveUpBelow goLive', instead: 'dropBelow; goToTail' },
  { part: 'hurried', instead: 'urgent' },
  { name: 'owes owedCount', instead: 'isOwed; pendingAtCount' },
  { name: 'DeadLetterQueue', instead: 'DeadLetterRecorder' },
  { name: 'LetterNotes', file: 'letter-notes', instead: 'LetterMessages' },
  { name: 'LetterBooks', file: 'letter-books', instead: 'LetterCounters' },
  { name: 'isKeptEnough', instead: 'isLogEnough' },
  { name: 'InSync', file: 'in-sync', instead: 'KeepingPace: in sync is a state of health' },
]

export interface CheckedText {
  /** Path from the root, with slashes. */
  readonly path: string
  readonly text: string
}

/** @returns `path:line: the line` for each line with the word; line 0 is the file's own name */
export function linesWith(banned: BannedWord, { path, text }: CheckedText): string[] {
  const isCode = path.endsWith('.ts')
  const forms = words(banned.text)
  const inText = forms.length > 0 ? partPattern(forms) : undefined
  const parts = words(banned.part)
  const names = words(banned.name)
  const inCode = [
    ...(parts.length > 0 ? [partPattern(parts)] : []),
    ...(names.length > 0 ? [namePattern(names)] : []),
  ]
  // `castVote` is no word of a sentence: a comment or a message that has it means the name.
  const humped = names.filter((name) => /[a-z][A-Z]/.test(name))
  const everywhere = humped.length > 0 ? namePattern(humped) : undefined
  const permitted = banned.except === undefined ? text : text.replaceAll(banned.except, '')
  const rows = permitted.split('\n')
  const codeRows = isCode && inCode.length > 0 ? codeOf(permitted).split('\n') : []
  const found = rows.flatMap((row, index) => {
    const code = codeRows[index] ?? ''
    const isInText = inText?.test(row) || (isCode && everywhere?.test(row))
    const isThere = isInText || inCode.some((pattern) => pattern.test(code))
    return isThere ? [`${path}:${index + 1}: ${row.trim()}`] : []
  })
  const fileName = path.replace(/.*\//, '').replace(/\.ts$/, '')
  const isNamed = isCode && words(banned.file).includes(fileName)
  const nameHolds = isCode && inText?.test(fileName.replaceAll(banned.except ?? /$^/g, ''))
  return isNamed || nameHolds ? [`${path}:0: its name`, ...found] : found
}

function words(list: string | undefined): string[] {
  return list?.split(' ') ?? []
}

function namePattern(names: readonly string[]): RegExp {
  return new RegExp(`(?<![\\w$#])#?(?:${names.join('|')})(?![\\w$])`)
}

/** `vote` in "a vote", `castVote`, `votes`-less `VOTE_MAX`; not in "devote" or "voter". */
function partPattern(forms: readonly string[]): RegExp {
  const alternatives = forms.flatMap((form) => {
    const capital = `${form.charAt(0).toUpperCase()}${form.slice(1)}`
    const humps = [`(?<![A-Za-z])${form}(?![a-z])`, `(?<![A-Z])${capital}(?![a-z])`]
    return [...humps, `(?<![A-Z])${form.toUpperCase()}(?![A-Za-z])`]
  })
  return new RegExp(alternatives.join('|'))
}

/**
 * The text with comments and the contents of strings blanked out, line by line. What a comment
 * quotes in backquotes stays: it is code.
 */
function codeOf(text: string): string {
  const blank = (part: string): string => part.replaceAll(/[^\n]/g, ' ')
  const tokens = /\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/.*$|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/gm
  return text.replaceAll(tokens, (token) => {
    if (token.startsWith('/')) {
      return token.replaceAll(/`[^`\n]*`|[^\n]/g, (piece) => (piece.length > 1 ? piece : ' '))
    }
    if (!token.startsWith('`')) return blank(token)
    // An expression inside a template is code again.
    return token.replaceAll(/\$\{[^{}]*\}|[^\n]/g, (piece) => (piece.length > 1 ? piece : ' '))
  })
}
