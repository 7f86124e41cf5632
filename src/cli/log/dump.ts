/**
 * `relay log dump`: prints every record, one per line, in the order of the log.
 *
 *     17 2026-11-24T16:00:00.123Z lines db="db" rp="" precision=ns lines=3 bytes=120 output=all …
 *
 * Never prints credentials. Prints only bodies that are lines or statements.
 */

import { join } from 'node:path'
import type { LogRecord } from '../../log/segments/record.ts'
import { printable } from '../../std/printable.ts'
import { type CommandIo, EXIT_OK } from '../io.ts'
import { quoted, redactedCredentials, redactedStatement } from './printable-record.ts'
import type { LogView } from './view-log.ts'

export async function dump(
  view: LogView,
  options: { readonly withLines: boolean },
  io: CommandIo,
): Promise<number> {
  for await (const step of view.steps()) {
    if (step.kind === 'gone') continue
    if (step.kind !== 'record') {
      const where = `${join(view.found.folder, step.segment)}: byte ${step.at}`
      io.stderr.write(`${where}: ${step.bytes} bytes are no record (${step.kind})\n`)
      continue
    }
    const body = options.withLines ? renderBody(step.record) : ''
    io.stdout.write(`${renderRecord(step.record)}\n${body}`)
    // Stop when the reader has closed the pipe (`relay log dump | head`).
    if (!(await io.stdout.drained())) break
  }
  return EXIT_OK
}

function renderRecord({ sequence, content }: LogRecord): string {
  if (content.kind === 'carried') {
    const { version, kindByte, payload } = content
    const what = `of a newer version (format ${version}, kind ${kindByte})`
    return `${sequence} - ${what} bytes=${payload.length}`
  }
  const { write, output } = content
  const { database, retentionPolicy, precision, credentials } = write.target
  return [
    sequence,
    renderTime(write.receivedAtMs),
    write.kind,
    `db=${quoted(database)}`,
    `rp=${quoted(retentionPolicy)}`,
    `precision=${precision}`,
    `lines=${write.lineCount}`,
    `bytes=${write.body.length}`,
    `output=${output === undefined ? 'all' : quoted(output)}`,
    `credentials=${redactedCredentials(credentials)}`,
  ].join(' ')
}

function renderTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.valueOf()) ? '-' : time.toISOString()
}

function renderBody({ content }: LogRecord): string {
  if (content.kind === 'carried') return ''
  const { write } = content
  switch (write.kind) {
    case 'lines': {
      const lines = write.body.toString().replace(/\n$/, '').split('\n')
      return lines.map((line) => `    ${printable(line)}\n`).join('')
    }
    case 'statement':
      return `    ${redactedStatement(write.body.toString())}\n`
    case 'opaque':
      return ''
  }
}
