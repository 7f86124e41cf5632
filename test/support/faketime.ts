/**
 * A wall clock that a test sets while a program runs (libfaketime); the monotonic clock stays
 * correct.
 *
 *     const clock = await openFakeWallClock(t)
 *     if (clock === undefined) return                        skipped, loudly
 *     await startRelayProcess({ config, env: clock.env })
 *     await clock.setBy('+10y')                              from the true time
 */
import { spawnSync } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './temporary-folder.ts'

export interface FakeWallClock {
  readonly env: Readonly<Record<string, string>>
  /** @param offset as libfaketime reads it: `+0`, `-1h`, `+10y` */
  setBy(offset: string): Promise<void>
}

/** @returns `undefined` if libfaketime is missing: then the test is skipped */
export async function openFakeWallClock(
  t: Pick<TestContext, 'after' | 'skip'>,
): Promise<FakeWallClock | undefined> {
  const { stdout } = spawnSync('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD'])
  const library = stdout?.toString().trim()
  if (!library) {
    const message = 'SKIPPED: faketime is missing, so no wall clock was set under a running relay'
    if (process.env['CI'] === 'true') throw new Error(message)
    console.error(`\n${'!'.repeat(80)}\n${message}\n${'!'.repeat(80)}\n`)
    t.skip(message)
    return undefined
  }
  const path = join(await temporaryFolder(t), 'offset')
  const setBy = async (offset: string) => {
    await writeFile(`${path}.new`, `${offset}\n`)
    await rename(`${path}.new`, path)
  }
  await setBy('+0')
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: path,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  return { env, setBy }
}
