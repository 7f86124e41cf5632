/**
 * A folder of its own for one test, removed when the test ends, however it ends.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test or a benchmark, at whose end the folder is removed. */
export interface Lifetime {
  after(end: () => Promise<void>): void
}

export async function temporaryFolder(t: Lifetime): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'line-relay-test-'))
  // Retried: a process that was just killed may still be closing its files in the folder.
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  return folder
}
