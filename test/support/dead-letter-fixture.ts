/** Stores of dead letters for tests, and letters with different contents. */
import { randomBytes } from 'node:crypto'
import { DeadFolderReader, deadFolder } from '../../src/dead-letters/folder.ts'
import type { DeadLetter, StoredLetter } from '../../src/dead-letters/letter.ts'
import {
  type DeadLetters,
  type DeadLettersOptions,
  openDeadLetters,
} from '../../src/dead-letters/store.ts'
import type { FileSystem } from '../../src/log/file-system.ts'
import { systemClock } from '../../src/std/clock.ts'
import { writeTarget } from '../../src/write/write.ts'
import { LOG_FOLDER, silentLogger } from './disk-log-fixture.ts'

/** The password in all letters: no tool may print it. */
export const SECRET = 'Token c2VjcmV0'

export function deadLetter(body: string | Buffer, parts: Partial<DeadLetter> = {}): DeadLetter {
  const target = writeTarget({
    database: 'telegraf',
    retentionPolicy: 'week',
    precision: 's',
    credentials: { authorization: SECRET, query: '' },
  })
  const bytes = Buffer.from(body)
  const lineCount = bytes.toString().split('\n').length - 1
  return {
    write: { kind: 'lines', target, body: bytes, lineCount, receivedAtMs: 1_700_000_000_000 },
    sequence: 17,
    status: 400,
    reason: 'partial write: field type conflict',
    tries: 2,
    deadAtMs: 1_700_000_060_000,
    ...parts,
  }
}

export function openTestDeadLetters(
  files: FileSystem,
  options: Partial<DeadLettersOptions> = {},
): Promise<DeadLetters> {
  return openDeadLetters({
    files,
    logFolder: LOG_FOLDER,
    output: 'a',
    limitBytes: 1_000_000,
    clock: systemClock,
    logger: silentLogger,
    randomBytes,
    isOwner: async () => true,
    ...options,
  })
}

/** All letters, read by the store that owns the folder. */
export async function lettersOf(dead: DeadLetters): Promise<StoredLetter[]> {
  const letters: StoredLetter[] = []
  for await (const letter of dead.letters()) letters.push(letter)
  return letters
}

/** The bodies of all letters. */
export async function bodiesOf(dead: DeadLetters): Promise<string[]> {
  return (await lettersOf(dead)).map(({ write }) => write.body.toString())
}

/** The bodies of all letters, read without a lock. */
export async function readBodies(
  files: FileSystem,
  folder = deadFolder(LOG_FOLDER, 'a'),
): Promise<{ readonly bodies: string[]; readonly reader: DeadFolderReader }> {
  const reader = new DeadFolderReader({ files, folder, output: 'a' })
  const bodies: string[] = []
  for await (const { write } of reader.letters()) bodies.push(write.body.toString())
  return { bodies, reader }
}
