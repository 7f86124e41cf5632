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
 * Limits of the form, all read in the importer's source (importer/v8): it cuts at every newline, so
 * a string with a newline in it has no form (and could pass for a context); a name is cut at its
 * first colon and trimmed; a statement below `# DML` is taken for a bad line.
 */

import type { WriteTarget } from '../../write/write.ts'

export const DML = '# DML\n'
const DDL = '# DDL\n'
const NEWLINE = 0x0a

/** The lines that say where the lines below belong, or `undefined` when a name has no form. */
export function renderContext({ database, retentionPolicy }: WriteTarget): string | undefined {
  if (database === '' || !isNameable(database) || !isNameable(retentionPolicy)) return undefined
  const policy = retentionPolicy === '' ? '' : ` ${retentionPolicy}`
  return `# CONTEXT-DATABASE: ${database}\n# CONTEXT-RETENTION-POLICY:${policy}\n`
}

function isNameable(name: string): boolean {
  return name === name.trim() && !/[:\n]/.test(name)
}

/** The section for statements; it is still open. '' when there are none. */
export function renderDdl(statements: readonly string[]): string {
  return statements.length === 0 ? '' : `${DDL}${statements.map((each) => `${each}\n`).join('')}`
}

/** A single statement that may be carried over from file to file, on one line; else `undefined`. */
export function parseStatement(text: string): string | undefined {
  const statement = text.trim().replace(/\s*;$/, '')
  const isCreate = /^CREATE\s+(DATABASE|RETENTION\s+POLICY)\s/i.test(statement)
  // A comment would swallow what follows it on the one line; behind a `;` anything may stand.
  if (!isCreate || statement.includes('--') || statement.includes(';')) return undefined
  return statement.replace(/\s*[\r\n]\s*/g, ' ')
}

export interface Head {
  /** Of the section for statements. */
  readonly statements: readonly string[]
  /** `# DML` was seen: lines may follow, statements no more. */
  readonly hasDml: boolean
}

/** @param text how a file begins */
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
