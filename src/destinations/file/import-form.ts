/**
 * The text form that `influx -import` reads. Pure.
 *
 *     # DDL
 *     CREATE DATABASE "a"                      statements, only before the first `# DML`
 *     # DML
 *     # CONTEXT-DATABASE: a                    holds for the lines below, until the next one
 *     # CONTEXT-RETENTION-POLICY:              empty: the database's default
 *     cpu,host=x usage=1 1700000000000000000   nanoseconds
 *
 * Limits of the format, from the importer's source (importer/v8): it cuts at every newline, so the
 * format cannot hold a string with a newline in it (whose second half could pass for a context). It
 * cuts a name at the first colon and trims it. It takes a statement below `# DML` for a bad line.
 */

import type { WriteTarget } from '../../write/write.ts'

export const DML = '# DML\n'
const DDL = '# DDL\n'
const NEWLINE = 0x0a

/**
 * The lines that name the database and retention policy of the lines below; `undefined` when the
 * format cannot hold a name.
 */
export function renderContext({ database, retentionPolicy }: WriteTarget): string | undefined {
  if (database === '' || !isNameable(database) || !isNameable(retentionPolicy)) return undefined
  const policy = retentionPolicy === '' ? '' : ` ${retentionPolicy}`
  return `# CONTEXT-DATABASE: ${database}\n# CONTEXT-RETENTION-POLICY:${policy}\n`
}

function isNameable(name: string): boolean {
  return name === name.trim() && !/[:\n]/.test(name)
}

/** The section for statements, open for more; '' when there are no statements. */
export function renderDdl(statements: readonly string[]): string {
  return statements.length === 0 ? '' : `${DDL}${statements.map((each) => `${each}\n`).join('')}`
}

/** A single statement, on one line, that may be repeated in every file; otherwise `undefined`. */
export function parseStatement(text: string): string | undefined {
  const statement = text.trim().replace(/\s*;$/, '')
  const isCreate = /^CREATE\s+(DATABASE|RETENTION\s+POLICY)\s/i.test(statement)
  // On a single line a comment would hide the rest; after a `;` may follow any other statement.
  if (!isCreate || statement.includes('--') || statement.includes(';')) return undefined
  return statement.replace(/\s*[\r\n]\s*/g, ' ')
}

export interface Head {
  /** The content of the section for statements. */
  readonly statements: readonly string[]
  /** `# DML` was seen: lines may follow, but no statements. */
  readonly hasDml: boolean
}

/** @param text the beginning of a file */
export function parseHead(text: string): Head {
  const dmlAt = text.startsWith(DML) ? 0 : text.indexOf(`\n${DML}`)
  const ddl = dmlAt < 0 ? text : text.slice(0, dmlAt)
  const statements = ddl.split('\n').flatMap((line) => parseStatement(line) ?? [])
  return { statements, hasDml: dmlAt >= 0 }
}

/** Whether every newline in `body` ends one of its `lineCount` lines. */
export function isOneLineEach(body: Buffer, lineCount: number): boolean {
  let newlines = 0
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) newlines++
  return newlines === lineCount
}
