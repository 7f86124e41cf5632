/**
 * Skips a test that needs something that the machine lacks. The end of the run lists it
 * (tools/test-reporter.ts); under `CI=true` the test fails, so that a pipeline never passes by
 * skipping.
 *
 *     if (!requireProgram(t, 'influxd', 'influxdb')) return
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'

/**
 * @param why what is missing, what was therefore not tested, how to install it; the same text for
 *   every test that lacks it, because the reporter counts by text
 */
export function skipWithout(t: Pick<TestContext, 'skip'>, why: string, cause?: unknown): void {
  if (process.env['CI'] === 'true') throw new Error(why, { cause })
  t.skip(why)
}

/** @param debianPackage the package with the program */
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
      return false // Not in this folder, or not executable: try the next one.
    }
  })
}
