/**
 * `relay dead list`: counts the dead letters of each output, by database and reason.
 *
 * Memory: one window of a file, and GROUPS_MAX groups; further groups are counted as one.
 */

import { DeadFolderReader } from '../../dead-letters/folder.ts'
import type { StoredLetter } from '../../dead-letters/letter.ts'
import { printable, printableJson } from '../../std/printable.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { type CommandIo, EXIT_OK } from '../io.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'
import { type DeadPlace, type DeadPlaces, renderNone, renderPlace } from './places.ts'
import { renderTime, shorten } from './text.ts'

const GROUPS_MAX = 1_000
/** Most rows as text; JSON has all of them. */
const ROWS_MAX = 20
const REASON_MAX_CHARS = 120

interface DeadGroup {
  readonly database: string
  readonly retentionPolicy: string
  readonly status: number
  readonly reason: string
  letters: number
  lines: number
}

export interface DeadSummary {
  readonly groups: readonly DeadGroup[]
  readonly letters: number
  readonly lines: number
  readonly bytes: number
  readonly oldestMs: number | undefined
  readonly newestMs: number | undefined
  readonly damagedBytes: number
  readonly problems: readonly string[]
}

export async function listDead(
  places: DeadPlaces,
  options: DeadOptions,
  io: CommandIo,
): Promise<number> {
  let letters = 0
  for (const place of places.places) {
    const summary = await summarize(place)
    letters += summary.letters
    io.stdout.write(options.isJson ? toJson(place, summary) : toText(place, summary))
  }
  if (letters === 0 && !options.isJson) io.stdout.write(`${renderNone(places, options)}\n`)
  return EXIT_OK
}

export async function summarize(place: DeadPlace): Promise<DeadSummary> {
  const reader = new DeadFolderReader(place)
  const groups = new Map<string, DeadGroup>()
  let letters = 0
  let lines = 0
  let oldestMs: number | undefined
  let newestMs: number | undefined
  for await (const letter of reader.letters()) {
    const group = groupOf(groups, letter)
    group.letters++
    group.lines += letter.write.lineCount
    letters++
    lines += letter.write.lineCount
    oldestMs = Math.min(oldestMs ?? letter.deadAtMs, letter.deadAtMs)
    newestMs = Math.max(newestMs ?? letter.deadAtMs, letter.deadAtMs)
  }
  const sorted = [...groups.values()].sort((a, b) => b.letters - a.letters)
  const { bytes, damagedBytes, problems } = reader
  return { groups: sorted, letters, lines, bytes, oldestMs, newestMs, damagedBytes, problems }
}

function groupOf(
  groups: Map<string, DeadGroup>,
  { write, status, reason }: StoredLetter,
): DeadGroup {
  const { database, retentionPolicy } = write.target
  const isFull = groups.size >= GROUPS_MAX
  const known = groups.get(JSON.stringify([database, retentionPolicy, status, reason]))
  if (known !== undefined) return known
  const fields = isFull
    ? { database: '', retentionPolicy: '', status: 0, reason: '(other reasons)' }
    : { database, retentionPolicy, status, reason }
  const key = JSON.stringify(Object.values(fields))
  const group = groups.get(key) ?? { ...fields, letters: 0, lines: 0 }
  groups.set(key, group)
  return group
}

function toJson({ relay, output }: DeadPlace, summary: DeadSummary): string {
  const { oldestMs, newestMs, ...rest } = summary
  const oldest = oldestMs === undefined ? null : renderTime(oldestMs)
  const newest = newestMs === undefined ? null : renderTime(newestMs)
  return `${printableJson(JSON.stringify({ relay, output, oldest, newest, ...rest }))}\n`
}

function toText(place: DeadPlace, summary: DeadSummary): string {
  const { letters, lines, bytes, oldestMs, newestMs, groups, damagedBytes, problems } = summary
  const notes = [...problems]
  if (damagedBytes > 0) notes.push(`${renderBytes(damagedBytes)} of damage was passed over`)
  if (letters === 0 && notes.length === 0) return ''
  const amount = `${renderCount(letters, 'letter')}, ${renderCount(lines, 'line')}`
  const text = [`${renderPlace(place)}: ${amount}, ${renderBytes(bytes)} on disk`]
  if (oldestMs !== undefined && newestMs !== undefined) {
    text.push(`  oldest ${renderTime(oldestMs)}, newest ${renderTime(newestMs)}`)
    text.push(...renderRows(groups))
  }
  text.push(...notes.map((note) => `  note: ${printable(note)}`))
  return `${text.join('\n')}\n`
}

function renderRows(groups: readonly DeadGroup[]): string[] {
  const rows = groups.slice(0, ROWS_MAX).map((group) => {
    const { letters, lines, status, database, retentionPolicy, reason } = group
    const where = retentionPolicy === '' ? database : `${database}.${retentionPolicy}`
    const why = shorten(printable(reason), REASON_MAX_CHARS)
    return [`${letters}`, `${lines}`, status === 0 ? '-' : `${status}`, printable(where), why]
  })
  const all = [['letters', 'lines', 'status', 'database', 'reason'], ...rows]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  )
  const rendered = all.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column < 3 ? cell.padStart(width) : cell.padEnd(width)
    })
    return `  ${cells.join('  ')}`.trimEnd()
  })
  const more = groups.length - rows.length
  return more > 0 ? [...rendered, `  … and ${more} more; -json has all`] : rendered
}
