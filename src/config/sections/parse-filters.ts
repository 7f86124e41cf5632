/** veepee's `[[filter]]`: which lines go to which outputs. */

import type { LineFilter } from '../config.ts'
import { joinPath, type Reader, type Section } from '../read/reader.ts'
import { tablesOf } from '../read/tables.ts'
import type { Key } from '../schema/config-key.ts'
import { FILTER_KEYS } from '../schema/output-keys.ts'
import { nearestKey } from '../schema/spelling.ts'
import { compileGoRegExp, type GoRegExp } from './go-regexp.ts'

export interface NamedFilter {
  readonly path: string
  readonly filter: LineFilter
  readonly outputNames: readonly string[]
}

/** All filters of the file, with the names of their outputs as given. */
export function parseFilters(reader: Reader, top: Section): readonly NamedFilter[] {
  return tablesOf(reader, top, 'filter').map(({ table, path }) => {
    const section = reader.open(table, path, Object.values(FILTER_KEYS), [])
    reader.get(section, FILTER_KEYS.type)
    const outputNames = reader.get(section, FILTER_KEYS.outputs)
    const outputsPath = joinPath(path, FILTER_KEYS.outputs.name)
    if (outputNames.length === 0 && !reader.hasProblemAt(outputsPath)) {
      const message = 'names no output, so it would do nothing; write outputs = ["name"]'
      reader.report(outputsPath, message)
    }
    return {
      path,
      outputNames,
      filter: {
        tagExpression: parseExpression(reader, section, FILTER_KEYS.tagExpression),
        measurementExpression: parseExpression(reader, section, FILTER_KEYS.measurementExpression),
      },
    }
  })
}

/**
 * Reports filters that name an unknown output. Such a name is a typing error: the output that was
 * meant would get every line.
 */
export function reportUnknownOutputs(
  reader: Reader,
  filters: readonly NamedFilter[],
  outputNames: readonly string[],
): void {
  for (const { path, outputNames: named } of filters) {
    for (const name of named) {
      if (outputNames.includes(name)) continue
      const nearest = nearestKey(name, outputNames)
      const known = outputNames.map((known) => `"${known}"`).join(', ')
      const hint = nearest === undefined ? `there are ${known}` : `did you mean "${nearest}"?`
      reader.report(
        joinPath(path, FILTER_KEYS.outputs.name),
        `no output is named "${name}"; ${hint}`,
      )
    }
  }
}

function parseExpression(reader: Reader, section: Section, key: Key<string>): GoRegExp | undefined {
  const source = reader.get(section, key)
  if (source === '') return undefined
  const compiled = compileGoRegExp(source)
  if (compiled.kind === 'ok') return compiled.expression
  const message = `is not a usable regular expression: ${compiled.message}`
  reader.report(joinPath(section.path, key.name), message)
  return undefined
}
