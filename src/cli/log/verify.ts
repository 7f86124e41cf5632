/**
 * `relay log verify`: reads every record and checks it against its checksum.
 *
 * Exit code 1 when stored data cannot be read: damage, a missing or invalid segment, an unreadable
 * cursor. A torn tail is no damage: no client got a 204 for it.
 */

import { join } from 'node:path'
import { printable } from '../../std/printable.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK } from '../io.ts'
import { cursorFolder, type LogView } from './view-log.ts'

export async function verify(view: LogView, io: CommandIo): Promise<number> {
  const { listing, cursorNotes } = view
  const { folder } = view.found
  let problems = 0
  let records = 0
  let bytes = 0
  const problem = (text: string) => {
    problems++
    io.stdout.write(`${printable(text)}\n`)
  }
  for (const { name, why } of listing.oddFiles) problem(`${join(folder, name)}: ${why}`)
  for (const name of listing.missing) {
    problem(`${join(folder, name)}: is missing, and segments before and behind it are there`)
  }
  for (const note of cursorNotes) problem(note)
  for await (const step of view.steps()) {
    switch (step.kind) {
      case 'record':
        records++
        bytes += step.record.bytes
        break
      case 'damage':
        problem(`${join(folder, step.segment)}: byte ${step.at}: ${step.bytes} bytes are damaged`)
        break
      case 'tail': {
        const what = `${step.bytes} bytes behind the last record`
        const why = 'being written, or torn by a crash; not counted as damage'
        io.stdout.write(`${join(folder, step.segment)}: byte ${step.at}: ${what}: ${why}\n`)
        break
      }
      case 'gone':
        io.stdout.write(
          `${join(folder, step.segment)}: was deleted meanwhile; no output is owed it\n`,
        )
        break
    }
  }
  const cursors = view.positions.filter(({ from }) => from === 'cursor').length
  const good = `${renderCount(records, 'record')} (${renderBytes(bytes)})`
  const files = `${renderCount(listing.segments.length, 'segment')} of ${folder}`
  const ends = `${renderCount(cursors, 'cursor')} in ${cursorFolder(folder)}`
  const found = problems === 0 ? 'no damage' : renderCount(problems, 'problem')
  io.stdout.write(`${found}; good are ${good} in ${files}, and ${ends}\n`)
  return problems === 0 ? EXIT_OK : EXIT_FAILURE
}
