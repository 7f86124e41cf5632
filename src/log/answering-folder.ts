/**
 * Makes the folder of a log within a time limit. A hanging network file system never answers, so
 * this runs before any operation on the folder that has no time limit of its own.
 */

import { type Clock, sleep } from '../std/clock.ts'
import { RelayError } from '../std/errors.ts'
import { makeFolders } from '../std/files.ts'
import { renderWait } from '../std/units.ts'

const ANSWER_MAX_MS = 10_000
const FOLDER_MODE = 0o700

/** Rejects with the system's error, or with RELAY_LOG_UNUSABLE after ANSWER_MAX_MS. */
export async function makeAnsweringFolder(folder: string, clock: Clock): Promise<void> {
  const over = new AbortController()
  const limit = sleep(clock, ANSWER_MAX_MS, over.signal).then(() => {
    const text = `${folder} cannot be used: it has not answered for ${renderWait(ANSWER_MAX_MS)}`
    throw new RelayError('RELAY_LOG_UNUSABLE', text)
  })
  limit.catch(() => {}) // Nobody handles the rejection when the folder is made in time.
  try {
    await Promise.race([makeFolders(folder, FOLDER_MODE), limit])
  } finally {
    over.abort()
  }
}
