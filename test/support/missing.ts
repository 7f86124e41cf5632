/**
 * What a test needs of the machine and does not find. The test is skipped, and the end of the run
 * says so (tools/test-reporter.ts); under `CI=true` it fails, so that a pipeline never passes by
 * skipping.
 *
 *     if (!requireProgram(t, 'influxd', 'influxdb')) return
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/**
 * @param why what is missing, what was therefore not tested, how it can be had: the same words for
 *   every test that misses it, which are counted by them
 */
export function skipWithout(t: Pick<TestContext, 'skip'>, why: string, cause?: unknown): void {
  if (process.env['CI'] === 'true') throw new Error(why, { cause })
  t.skip(why)
}

/** @param debianPackage that it comes with */
export function requireProgram(
  t: Pick<TestContext, 'skip'>,
  name: string,
  debianPackage: string,
): boolean {
  if (onPath(name)) return true
  const missed = `no ${name} on PATH, so nothing was tried with a real one`
  skipWithout(t, `${missed}; install it: apt-get install ${debianPackage}`)
  return false
}

function onPath(program: string): boolean {
  const { PATH = '' } = process.env
  return PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false // Not in this folder, or not for us: the next one.
    }
  })
}
