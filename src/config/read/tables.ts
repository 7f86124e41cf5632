/** Reads arrays of tables (`[[http]]`, `output = [ { … } ]`). */

import { showValue } from '../schema/values.ts'
import { joinPath, type Reader, type Section } from './reader.ts'

export interface PlacedTable {
  readonly table: object
  /** For example `http[0].output[1]`. */
  readonly path: string
}

/** The tables of one array. Reports and leaves out entries that are not tables. */
export function tablesOf(reader: Reader, section: Section, name: string): readonly PlacedTable[] {
  const raw = section.entries.get(name)
  if (raw === undefined) return []
  const path = joinPath(section.path, name)
  const header = path.replace(/\[\d+\]/g, '')
  if (!Array.isArray(raw)) {
    const got = isTable(raw) ? `one table; write [[${header}]] in double brackets` : showValue(raw)
    reader.report(path, `must be a list of tables, got ${got}`)
    return []
  }
  const items: unknown[] = raw
  const tables: PlacedTable[] = []
  items.forEach((item, index) => {
    const itemPath = `${path}[${index}]`
    if (isTable(item)) tables.push({ table: item, path: itemPath })
    else reader.report(itemPath, `must be a table { … }, got ${showValue(item)}`)
  })
  return tables
}

export function isTable(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return !Array.isArray(value) && !(value instanceof Date)
}
