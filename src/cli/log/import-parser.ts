/**
 * Cuts a file in the format of `influx -import` into pieces, which are sent one after the other.
 *
 * Reads the file as the importer does: statements before `# DML` (only CREATE is accepted); after
 * it lines, and contexts that apply to the lines below them; other comments and blank lines are
 * skipped. Lines stay whole.
 *
 * Memory: one piece, of PIECE_MAX_BYTES and PIECE_LINES_MAX, and one line of LINE_MAX_BYTES.
 */

import { isUtf8 } from 'node:buffer'
import { parseStatement } from '../../destinations/file/import-form.ts'

const PIECE_MAX_BYTES = 1024 * 1024
const PIECE_LINES_MAX = 5_000
const LINE_MAX_BYTES = 24 * 1024 * 1024
const NEWLINE = 0x0a
const HASH = 0x23
/** As text it would name another database than its bytes do. */
const NOT_UTF8 = 'it is not UTF-8'
const DATABASE = /^# CONTEXT-DATABASE:(.*)$/
const POLICY = /^# CONTEXT-RETENTION-POLICY:(.*)$/

/** Lines of the file count from 1. */
export type ImportPiece =
  | {
      readonly kind: 'lines'
      readonly database: string
      readonly retentionPolicy: string
      readonly body: Buffer
      readonly lineCount: number
      readonly firstLine: number
      readonly lastLine: number
    }
  | { readonly kind: 'statement'; readonly text: string; readonly firstLine: number }
  /** The import must stop here. */
  | { readonly kind: 'unusable'; readonly why: string; readonly firstLine: number }

export class ImportParser {
  readonly #fromLine: number
  #pieces: ImportPiece[] = []
  /** Bytes of the line that is not complete yet. */
  #begun: Buffer[] = []
  #begunBytes = 0
  #lineNumber = 0
  #hasDml = false
  #database = ''
  #retentionPolicy = ''
  #lines: Buffer[] = []
  #linesBytes = 0
  #firstLine = 0
  #lastLine = 0

  /** @param fromLine lines and statements before this line are skipped; contexts are not */
  constructor(fromLine: number) {
    this.#fromLine = fromLine
  }

  /** @returns the pieces that are complete */
  push(bytes: Buffer): readonly ImportPiece[] {
    let start = 0
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, start)) {
      this.#endLine(bytes.subarray(start, at + 1))
      start = at + 1
    }
    const rest = bytes.subarray(start)
    this.#begun.push(rest)
    this.#begunBytes += rest.length
    if (this.#begunBytes > LINE_MAX_BYTES) {
      this.#unusable(this.#lineNumber + 1, `the line is longer than ${LINE_MAX_BYTES} bytes`)
      this.#begun = []
      this.#begunBytes = 0
    }
    return this.#take()
  }

  /** The last line need not end in a newline. */
  end(): readonly ImportPiece[] {
    if (this.#begunBytes > 0) this.#endLine(Buffer.from('\n'))
    this.#flush()
    return this.#take()
  }

  #take(): readonly ImportPiece[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  #endLine(end: Buffer): void {
    const line = this.#begunBytes === 0 ? end : Buffer.concat([...this.#begun, end])
    this.#begun = []
    this.#begunBytes = 0
    this.#lineNumber++
    if (line[0] === HASH) this.#comment(line)
    else if (line.length > 1 && line.toString('latin1').trim() !== '') this.#content(line)
  }

  #comment(line: Buffer): void {
    const text = line.toString().trimEnd()
    if (text === '# DML') this.#hasDml = true
    const database = DATABASE.exec(text)?.[1]?.trim()
    const retentionPolicy = POLICY.exec(text)?.[1]?.trim()
    if (database === undefined && retentionPolicy === undefined) return
    if (!isUtf8(line)) return this.#unusable(this.#lineNumber, NOT_UTF8)
    const isSame = (database ?? this.#database) === this.#database
    if (!isSame || (retentionPolicy ?? this.#retentionPolicy) !== this.#retentionPolicy) {
      this.#flush()
    }
    this.#database = database ?? this.#database
    this.#retentionPolicy = retentionPolicy ?? this.#retentionPolicy
  }

  #content(line: Buffer): void {
    const number = this.#lineNumber
    if (number < this.#fromLine) return
    if (!this.#hasDml) return this.#statement(line, number)
    if (this.#database === '') {
      return this.#unusable(number, 'no "# CONTEXT-DATABASE:" stands above it')
    }
    const isFull = this.#linesBytes + line.length > PIECE_MAX_BYTES
    if (isFull || this.#lines.length === PIECE_LINES_MAX) this.#flush()
    if (this.#lines.length === 0) this.#firstLine = number
    this.#lastLine = number
    this.#lines.push(line)
    this.#linesBytes += line.length
  }

  /** Nothing but what creates: a file must not be able to drop what is there. */
  #statement(line: Buffer, firstLine: number): void {
    if (!isUtf8(line)) return this.#unusable(firstLine, NOT_UTF8)
    const text = parseStatement(line.toString())
    if (text !== undefined) this.#pieces.push({ kind: 'statement', text, firstLine })
    else this.#unusable(firstLine, 'it is no CREATE statement, and lines stand below "# DML"')
  }

  #unusable(firstLine: number, why: string): void {
    this.#flush()
    this.#pieces.push({ kind: 'unusable', why, firstLine })
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    this.#pieces.push({
      kind: 'lines',
      database: this.#database,
      retentionPolicy: this.#retentionPolicy,
      body: Buffer.concat(this.#lines),
      lineCount: this.#lines.length,
      firstLine: this.#firstLine,
      lastLine: this.#lastLine,
    })
    this.#lines = []
    this.#linesBytes = 0
  }
}
