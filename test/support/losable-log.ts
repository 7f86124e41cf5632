/**
 * A relay on a log folder that is about to be lost. One output is up; the other is down until a new
 * process has started, so that everything that it gets then was on the disk.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type FakeInflux, openFakeInflux } from './fake-influx.ts'
import { readMetrics, untilNothingPends } from './metrics.ts'
import { relayConfig } from './relay-config.ts'
import { startRelayProcess } from './relay-process.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface LosableLog extends AsyncDisposable {
  readonly folder: string
  readonly toml: string
  readonly adminUrl: string
  readonly b: FakeInflux
}

/** Output a is up, output b is down. */
export async function openLosableLog(t: TestContext): Promise<LosableLog> {
  const folder = join(await temporaryFolder(t), 'log')
  const [a, b] = [await openFakeInflux(), await openFakeInflux()]
  await b.stop()
  const { toml, adminUrl } = await relayConfig({
    outputs: [a.url, `{ location = "${b.url}/write", max-delay-interval = "200ms" }`],
    http: `log-dir = "${folder}"\nack = "log"`,
  })
  const close = async () => {
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
  }
  return { folder, toml, adminUrl, b, [Symbol.asyncDispose]: close }
}

/** The value of the metric `relay_log_disk_failing`. */
export async function failing(adminUrl: string): Promise<number | undefined> {
  const samples = await readMetrics(adminUrl)
  return samples.find(({ name }) => name === 'relay_log_disk_failing')?.value
}

/**
 * The numbers of the writes that b has after a new process has delivered everything on the disk.
 */
export async function numbersAtB({ toml, adminUrl, b }: LosableLog): Promise<Set<number>> {
  await b.start()
  await using _relay = await startRelayProcess({ config: toml })
  await untilNothingPends(adminUrl)
  return new Set([...b.received.matchAll(/ n=(\d+)i/g)].map(([, n]) => Number(n)))
}

export async function removeLock(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('lock')) await rm(join(folder, name))
  }
}
