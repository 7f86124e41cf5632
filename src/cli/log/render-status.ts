/** Renders the status of a log on disk as text. Pure. */

import type { OutputPosition } from '../../log/cursors/output-positions.ts'
import type { FileTotal } from '../../log/inspect/log-folder.ts'
import { printable } from '../../std/printable.ts'
import { renderBytes, renderCount, renderWait } from '../../std/units.ts'
import { quoted } from './printable-record.ts'

export interface OutputStatus {
  readonly output: string
  readonly isConfigured: boolean
  readonly placeFrom: OutputPosition['from']
  readonly pendingWrites: number
  readonly pendingLines: number
  readonly pendingBytes: number
  readonly oldestAgeMs: number | undefined
  readonly doneBelow: number | undefined
  /** Ranges above `doneBelow` that are done as well. */
  readonly doneAhead: number
  /** Pending statements that no segment holds any more. */
  readonly statementsInCursor: number
}

export interface LogStatus {
  readonly relay: string | undefined
  readonly folder: string
  readonly segments: number
  /** Bytes on disk, preallocated space included. */
  readonly segmentBytes: number
  readonly records: number
  readonly firstSequence: number | undefined
  readonly lastSequence: number | undefined
  readonly damage: FileTotal
  /** Bytes after the last record: being written, or torn. */
  readonly tail: FileTotal
  readonly tornFiles: FileTotal
  readonly quarantine: FileTotal
  readonly outputs: readonly OutputStatus[]
  readonly notes: readonly string[]
}

/** @param flags flags that name this log in another command */
export function renderStatus(status: LogStatus, flags: string): string {
  const { relay, folder, outputs, notes } = status
  const of = relay === undefined ? '' : ` of relay ${quoted(relay)}`
  const configured = outputs.filter(({ isConfigured }) => isConfigured)
  const others = outputs.filter(({ isConfigured }) => !isConfigured)
  return [
    `log${of} in ${folder}`,
    ...renderFiles(status),
    '',
    ...renderTable([
      ['output', 'writes', 'lines', 'bytes', 'oldest', 'position'],
      ...configured.map(renderOutput),
    ]),
    ...renderOthers(others, relay !== undefined, flags),
    ...notes.map((note) => `note: ${printable(note)}`),
  ].join('\n')
}

function renderFiles(status: LogStatus): string[] {
  const { records, firstSequence, lastSequence, segments, segmentBytes } = status
  const range = records === 0 ? '' : `, ${firstSequence} to ${lastSequence}`
  const { damage, tail, tornFiles, quarantine } = status
  const torn = tail.bytes === 0 ? '' : `${renderBytes(tail.bytes)} behind the last record; `
  return [
    `  records     ${records}${range}`,
    `  on disk     ${renderCount(segments, 'segment')}, ${renderBytes(segmentBytes)}`,
    `  damaged     ${renderTotal(damage, 'place')}`,
    `  torn        ${torn}${renderTotal(tornFiles, 'file')} kept`,
    `  quarantine  ${renderTotal(quarantine, 'file')}`,
  ]
}

function renderTotal({ count, bytes }: FileTotal, noun: string): string {
  return count === 0 ? `0 ${noun}s` : `${renderCount(count, noun)}, ${renderBytes(bytes)}`
}

function renderOutput(status: OutputStatus): string[] {
  const { output, pendingWrites, pendingLines, pendingBytes, oldestAgeMs } = status
  return [
    printable(output),
    String(pendingWrites),
    String(pendingLines),
    renderBytes(pendingBytes),
    oldestAgeMs === undefined ? '-' : renderAge(oldestAgeMs),
    renderPosition(status),
  ]
}

function renderPosition(status: OutputStatus): string {
  const { placeFrom, doneBelow, doneAhead, statementsInCursor } = status
  if (placeFrom === 'roster') return 'no cursor: all is sent again'
  if (placeFrom === 'tail') return 'new: begins at the end'
  if (placeFrom === 'nothing') return 'none'
  const ahead = doneAhead === 0 ? '' : ` and ${renderCount(doneAhead, 'range')} ahead`
  const kept = renderCount(statementsInCursor, 'statement')
  const also = statementsInCursor === 0 ? '' : `, ${kept} in its cursor`
  return `done below ${doneBelow}${ahead}${also}`
}

/** In hours and days too: an output may be down over a weekend. */
function renderAge(ms: number): string {
  const hours = ms / 3_600_000
  if (hours < 2) return renderWait(ms)
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} d`
}

function renderOthers(
  others: readonly OutputStatus[],
  hasConfig: boolean,
  flags: string,
): string[] {
  if (others.length === 0) return []
  const where = hasConfig ? 'in the configuration' : 'among the outputs of the newest segment'
  const lines = others.flatMap((status) => {
    const { output, placeFrom, pendingWrites } = status
    if (placeFrom === 'nothing') return [`  ${quoted(output)}: no cursor; nothing is kept for it`]
    const [, , , bytes, oldest, position] = renderOutput(status)
    const writes = renderCount(pendingWrites, 'write')
    const lines = renderCount(status.pendingLines, 'line')
    const amount = `${writes}, ${lines}, ${bytes}, oldest ${oldest}; ${position}`
    const adopt = `relay log adopt ${quoted(output)} NEW ${flags}`
    return [
      `  ${quoted(output)}: is owed ${pendingWrites === 0 ? `nothing; ${position}` : amount}`,
      ...(pendingWrites === 0 ? [] : [`    has it a new name? Stop the relay, then: ${adopt}`]),
    ]
  })
  return ['', `not ${where}:`, ...lines]
}

function renderTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => {
    return Math.max(...rows.map((row) => row[column]?.length ?? 0))
  })
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      // Align amounts to the right, words to the left.
      return column === 0 || column === row.length - 1 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `  ${cells.join('  ')}`.trimEnd()
  })
}
