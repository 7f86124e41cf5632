/**
 * TOML text → plain values, or the place of the first syntax error.
 *
 * The only file that knows the TOML library, and it works around the library's defects: a byte
 * order mark is an error there; lines count from 0, columns from 1 on the first line but from 0 on
 * all others; table names are looked up on the prototype, so that `[constructor]` would write into
 * the program itself.
 */

import { parse } from '@iarna/toml'
import { errorText } from '../../std/errors.ts'
import { type KeyLines, locateKeys } from './key-lines.ts'

/**
 * Far above any real configuration. The library needs some hundred bytes of memory per byte of
 * text.
 */
const CONFIG_TEXT_MAX = 1_048_576

export type ParsedToml =
  | {
      readonly kind: 'table'
      readonly table: Readonly<Record<string, unknown>>
      readonly lines: KeyLines
    }
  /** `line` and `column` are 1-based; 0 = unknown. */
  | {
      readonly kind: 'broken'
      readonly line: number
      readonly column: number
      readonly why: string
    }

/** Parses a whole file. Never throws. */
export function parseToml(fileText: string): ParsedToml {
  const text = fileText.startsWith('\uFEFF') ? fileText.slice(1) : fileText
  if (text.length > CONFIG_TEXT_MAX) {
    const why = `the file has ${text.length} characters; at most ${CONFIG_TEXT_MAX} are read`
    return { kind: 'broken', line: 0, column: 0, why }
  }
  const lines = locateKeys(text)
  for (const [segment, line] of lines.segments) {
    if (segment in Object.prototype) {
      return { kind: 'broken', line, column: 0, why: `there is no key "${segment}"; remove it` }
    }
  }
  try {
    return { kind: 'table', table: parse(text), lines }
  } catch (error) {
    return describeError(error, text)
  }
}

function describeError(error: unknown, text: string): ParsedToml {
  const line = numberField(error, 'line')
  const column = numberField(error, 'col')
  if (line === undefined || column === undefined) {
    return { kind: 'broken', line: 0, column: 0, why: `this is not TOML: ${errorText(error)}` }
  }
  const said = (errorText(error).split(' at row ')[0] ?? '').replace(/^\[ParserError\] /, '')
  const lineText = text.split('\n')[line] ?? ''
  const hint = hintFor(said, lineText)
  return {
    kind: 'broken',
    line: line + 1,
    column: Math.max(1, line === 0 ? column : column + 1),
    why: hint ?? said,
  }
}

/** What the operator probably meant, for mistakes that the library's message does not explain. */
function hintFor(said: string, lineText: string): string | undefined {
  const duration = /[=[,]\s*([-+]?[\d.]+(?:ns|us|µs|ms|s|m|h)[\dnuµmsh.]*)\s*(?:[#,}\]]|$)/.exec(
    lineText,
  )
  if (duration !== null) return `durations are quoted: "${duration[1]}"`
  if (said === 'Unterminated inline array' && lineText.includes('{')) {
    return 'a table in { } must end on its first line, without a comma or comment before the }'
  }
  if (said.startsWith('Trailing commas in inline tables')) {
    return 'there must be no comma before the closing }'
  }
  if (said.startsWith("Can't redefine")) return 'the key or table is given a second time'
  if (said.startsWith('Key ended without value')) return 'the line ends too early'
  if (/Invalid character, expected whitespace, comma|Unterminated string/.test(said))
    return undefined
  const bareText = /=\s*(?!true\b|false\b|inf\b|nan\b)(?:[A-Za-z/]|[\d.]+:|\d+\.\d+\.)/.exec(
    lineText,
  )
  if (bareText !== null) return 'text is quoted: key = "value"'
  return undefined
}

function numberField(error: unknown, name: string): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const value: unknown = Reflect.get(error, name)
  return typeof value === 'number' ? value : undefined
}
