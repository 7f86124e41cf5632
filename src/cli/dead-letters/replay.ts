/**
 * `relay dead replay`: makes the running relay send an output's dead letters to this output again,
 * and to no other.
 */

import { renderLetters } from '../../dead-letters/reader.ts'
import { renderCount } from '../../std/units.ts'
import { adminOrigin, postToAdmin } from '../admin-client.ts'
import { type CommandIo, EXIT_OK, fail } from '../io.ts'
import { summarize } from './list.ts'
import type { DeadOptions } from './parse-dead-arguments.ts'
import { type DeadPlaces, onlyPlace, renderPlace } from './places.ts'

export async function replayDead(
  places: DeadPlaces,
  options: DeadOptions,
  io: CommandIo,
): Promise<number> {
  const place = onlyPlace(places, options)
  if (typeof place === 'string') return fail(io, place)
  const summary = await summarize(place)
  if (summary.letters === 0) return fail(io, `${renderPlace(place)} has no dead letters`)
  io.stderr.write(
    `warning: ${renderLetters(summary)} would be written again to ${renderPlace(place)}, ` +
      'with their old timestamps: where a point of the same series and time was written since, ' +
      'the old values replace the newer ones\n',
  )
  if (!options.isConfirmed) return fail(io, 'nothing was done; add -yes to do it')
  const origin = adminOrigin(places.adminAddress)
  if (origin === undefined) {
    return fail(io, 'the running relay cannot be asked: [admin] bind-addr names no fixed port')
  }
  const { relay, output } = place
  const answer = await postToAdmin(origin, '/dead-letters/replay', { relay, output })
  if (answer.kind === 'problem') return fail(io, answer.problem)
  const { writes = 0, lines: sent = 0 } = answer.counts
  const taken = `${renderCount(sent, 'line')} in ${renderCount(writes, 'write')}`
  io.stdout.write(`${taken} now wait for ${renderPlace(place)}, behind what it is owed already\n`)
  return EXIT_OK
}
