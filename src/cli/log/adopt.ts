/**
 * `relay log adopt OLD NEW`: a renamed output takes over the cursor of its old name.
 *
 * Needs the lock, so the relay must be stopped. The new cursor is complete on the disk before the
 * old one is removed; after a crash between the two, the same command finishes the job.
 *
 * The cursor includes the lengths of output files, which are identified by the file itself, not by
 * its name. So an output that keeps its file goes on in this file, and no other file is cut.
 */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Cursor, CursorFile, cursorName } from '../../log/cursors/cursor-file.ts'
import { nodeFileSystem } from '../../log/file-system.ts'
import { lockFolder } from '../../log/lock/folder-lock.ts'
import { systemClock } from '../../std/clock.ts'
import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { Logger } from '../../std/logger.ts'
import { type CommandIo, EXIT_OK } from '../io.ts'
import type { FoundLog } from './find-log.ts'
import { quoted } from './printable-record.ts'
import { cursorFolder } from './view-log.ts'

const files = nodeFileSystem

export interface AdoptOptions {
  readonly oldOutput: string
  readonly newOutput: string
}

/** Rejects with a RelayError that says what to do; then nothing was changed. */
export async function adopt(found: FoundLog, names: AdoptOptions, io: CommandIo): Promise<number> {
  checkNames(found, names)
  await using held = await lock(found.folder, io)
  const folder = cursorFolder(found.folder)
  const isOwner = () => held.isOwner()
  const oldFile = new CursorFile({ files, folder, output: names.oldOutput, isOwner })
  const newFile = new CursorFile({ files, folder, output: names.newOutput, isOwner })
  const taken = await takeOver(found, names, { oldFile, newFile })
  const result = await newFile.save(taken)
  if (result.kind === 'failed') {
    const path = join(folder, cursorName(names.newOutput))
    throw unusable(`cannot write ${path}: ${errorText(result.error)}; nothing was changed`)
  }
  await files.unlink(join(folder, cursorName(names.oldOutput)))
  await files.syncFolder(folder)
  const [old, now] = [quoted(names.oldOutput), quoted(names.newOutput)]
  const from = `what ${old} was owed, from record ${taken.doneBelow} on`
  io.stdout.write(`output ${now} gets ${from}, when the relay is started; ${old} is forgotten\n`)
  return EXIT_OK
}

function checkNames({ outputs, relay }: FoundLog, { oldOutput, newOutput }: AdoptOptions): void {
  const [old, now] = [quoted(oldOutput), quoted(newOutput)]
  if (oldOutput === newOutput) throw usage(`OLD and NEW are the same output, ${old}`)
  if (outputs === undefined) return
  const names = outputs.map(({ name }) => name)
  if (!names.includes(newOutput)) {
    const there = names.map(quoted).join(', ')
    const what = `relay ${quoted(relay ?? '')} has no output ${now} (it has ${there})`
    throw usage(`${what}; give the output its new name in the configuration first`)
  }
  if (names.includes(oldOutput)) {
    throw usage(`${old} is still configured, and would lose its cursor; remove or rename it first`)
  }
}

function lock(folder: string, io: CommandIo): ReturnType<typeof lockFolder> {
  const tell = (_fields: unknown, message: string) => io.stderr.write(`${message}\n`)
  const logger: Logger = { debug() {}, info() {}, warn: tell, error: tell }
  const onLost = () => {} // `isOwner` is checked before each change.
  const opening = lockFolder({ folder, clock: systemClock, logger, randomBytes, onLost })
  return opening.catch((error: unknown) => {
    if (errorCode(error) !== 'RELAY_LOG_LOCKED') throw error
    const message = `${errorText(error)}; stop it first, then adopt, then start it again`
    throw new RelayError('RELAY_LOG_LOCKED', message, { cause: error })
  })
}

async function takeOver(
  found: FoundLog,
  { oldOutput, newOutput }: AdoptOptions,
  { oldFile, newFile }: { readonly oldFile: CursorFile; readonly newFile: CursorFile },
): Promise<Cursor> {
  const folder = cursorFolder(found.folder)
  const [old, now] = [quoted(oldOutput), quoted(newOutput)]
  const from = await oldFile.load()
  if (from.kind === 'missing') {
    const next = `"relay log status ${found.flags}" says which outputs have one`
    throw unusable(
      `output ${old} has no cursor in ${folder}, so there is no cursor to adopt; ${next}`,
    )
  }
  if (from.kind === 'unreadable') {
    const path = join(folder, cursorName(oldOutput))
    const next = `without it ${now} can only begin at the end: see "relay log export"`
    throw unusable(`${path} cannot be read: ${from.why}; ${next}`)
  }
  const taken = { ...from.cursor, output: newOutput }
  const to = await newFile.load()
  // An earlier adopt stopped after it wrote the new cursor: go on from there.
  const isHalfDone = to.kind === 'loaded' && JSON.stringify(to.cursor) === JSON.stringify(taken)
  if (to.kind !== 'missing' && !isHalfDone) {
    const path = join(folder, cursorName(newOutput))
    const what = `output ${now} already has a cursor: ${path}`
    const next =
      `remove that file and adopt again: ${now} is then sent all records from ` +
      `${taken.doneBelow} on, in order, including what it got under its new name`
    throw unusable(`${what}; ${next}`)
  }
  return taken
}

function usage(message: string): RelayError {
  return new RelayError('RELAY_USAGE', message)
}

function unusable(message: string): RelayError {
  return new RelayError('RELAY_LOG_UNUSABLE', message)
}
