/**
 * Parses InfluxDB's answer to a query: series, rows, and points in one canonical form.
 *
 * Pure. The form of a point looks like line protocol, but is made for comparing and for reading a
 * difference: names with more than letters, digits and a few signs are in JSON quotes.
 */
import type { MsgpackValue } from './msgpack.ts'

export type Cell = bigint | number | string | boolean | null

/** Columns, tags and the measurement (`name`) of one row. */
export type Row = Readonly<Record<string, Cell>>

export interface Series {
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
  readonly columns: readonly string[]
  readonly values: readonly (readonly Cell[])[]
}

/** The part of InfluxDB's documented answer that this file reads. */
interface Answer {
  readonly error?: string
  readonly results?: readonly { readonly error?: string; readonly series?: readonly RawSeries[] }[]
}

type RawSeries = Partial<Series> & Pick<Series, 'columns'>

/** @throws Error when the answer contains one; InfluxDB sends 200 with an error inside. */
export function seriesOf(answer: MsgpackValue, statement: string): Series[] {
  const { error, results = [] } = answer as Answer // The server's documented form; tests only.
  const problem = error ?? results.find((result) => result.error !== undefined)?.error
  if (problem !== undefined) throw new Error(`InfluxDB refused ${statement}: ${problem}`)
  return results
    .flatMap((result) => result.series ?? [])
    .map(({ name = '', tags = {}, columns, values = [] }) => ({ name, tags, columns, values }))
}

export function rowsOf(series: Series): Row[] {
  return series.values.map((cells) => ({
    ...(series.name === '' ? {} : { name: series.name }),
    ...series.tags,
    ...Object.fromEntries(series.columns.map((column, index) => [column, cells[index] ?? null])),
  }))
}

/** One line per point of a series that was selected with `GROUP BY *` and `epoch=ns`. */
export function pointLines(series: Series): string[] {
  const tags = Object.keys(series.tags)
    .sort()
    .filter((key) => series.tags[key] !== '') // Only other series have this tag.
    .map((key) => `,${plain(key)}=${plain(series.tags[key] ?? '')}`)
  const key = plain(series.name) + tags.join('')
  return series.values.map((cells) => {
    const fields = series.columns
      .map((column, index) => ({ column, cell: cells[index] ?? null }))
      .slice(1) // The first column is the time.
      .filter(({ cell }) => cell !== null)
      .map(({ column, cell }) => `${plain(column)}=${typed(cell)}`)
      .sort()
    return `${key} ${fields.join(',')} ${cells[0]}`
  })
}

/** An identifier in InfluxQL's syntax. */
export function quoted(name: string): string {
  const escaped = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped}"`
}

function typed(cell: Cell): string {
  if (typeof cell === 'bigint') return `${cell}i`
  if (typeof cell === 'string') return JSON.stringify(cell)
  return Object.is(cell, -0) ? '-0' : String(cell)
}

function plain(name: string): string {
  return /^[\w.:/-]+$/.test(name) ? name : JSON.stringify(name)
}
