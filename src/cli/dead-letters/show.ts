/**
 * `relay dead show`: prints dead letters, oldest first, as text or as one JSON object per line.
 *
 * Neither form contains the client's credentials.
 */

import { isUtf8 } from 'node:buffer'
import { DeadFolderReader } from '../../dead-letters/folder.ts'
import type { StoredLetter } from '../../dead-letters/letter.ts'
import { printable, printableJson } from '../../std/printable.ts'
import { renderCount } from '../../std/units.ts'
import { type CommandIo, EXIT_OK } from '../io.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'
import { type DeadPlace, type DeadPlaces, renderNone, renderPlace } from './places.ts'
import { renderTime } from './text.ts'

const DEFAULT_LIMIT = 20

export async function showDead(
  places: DeadPlaces,
  options: DeadOptions,
  io: CommandIo,
): Promise<number> {
  const limit = options.limit ?? DEFAULT_LIMIT
  let shown = 0
  for (const place of places.places) {
    const reader = new DeadFolderReader(place)
    for await (const letter of reader.letters()) {
      if (shown === limit) {
        io.stderr.write(`there are more than ${limit}; -limit N shows more\n`)
        return EXIT_OK
      }
      io.stdout.write(options.isJson ? toJson(place, letter) : toText(place, letter))
      shown++
    }
    for (const problem of reader.problems) io.stderr.write(`note: ${printable(problem)}\n`)
  }
  if (shown === 0) io.stderr.write(`${renderNone(places, options)}\n`)
  return EXIT_OK
}

function toJson({ relay, output }: DeadPlace, letter: StoredLetter): string {
  const { number, sequence, write, status, reason, tries, deadAtMs } = letter
  const { database, retentionPolicy, precision } = write.target
  const json = JSON.stringify({
    ...{ relay, output, number, sequence, kind: write.kind },
    ...{ database, retentionPolicy, precision, status, reason, tries },
    receivedAt: renderTime(write.receivedAtMs),
    deadAt: renderTime(deadAtMs),
    lineCount: write.lineCount,
    // Base64, because replacement characters would hide which bytes were refused.
    ...(isUtf8(write.body)
      ? { body: write.body.toString() }
      : { bodyBase64: write.body.toString('base64') }),
  })
  return `${printableJson(json)}\n`
}

function toText(place: DeadPlace, letter: StoredLetter): string {
  const { number, write, status, reason, tries, deadAtMs } = letter
  const { database, retentionPolicy, precision } = write.target
  const rp = retentionPolicy === '' ? '' : `, retention policy "${printable(retentionPolicy)}"`
  const statusText = status === 0 ? '' : `${status} `
  const times = `received ${renderTime(write.receivedAtMs)}, refused ${renderTime(deadAtMs)}`
  return [
    `${renderPlace(place)}, letter ${number}`,
    `  database "${printable(database)}"${rp}, precision ${precision}`,
    `  ${times}, after ${tries === 1 ? '1 try' : `${tries} tries`}`,
    `  ${statusText}${printable(reason)}`,
    ...bodyLines(letter).map((line) => `    ${line}`),
    '',
  ].join('\n')
}

function bodyLines({ write }: StoredLetter): string[] {
  if (write.kind === 'opaque')
    return [`(${renderCount(write.body.length, 'byte')}; -json has them)`]
  const lines = write.body.toString().split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map(printable)
}
