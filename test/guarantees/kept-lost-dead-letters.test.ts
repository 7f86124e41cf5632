/**
 * What an output refuses for good, and its client does not know of, is on the disk as a dead
 * letter. Here: with a folder that is taken away from under a running relay.
 *
 * Once the folder is there again, the letters are as far as they can be had; what cannot is counted
 * and told of, and `relay dead list` shows what the metrics count.
 */
import assert from 'node:assert/strict'
import { mkdir, rename, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { summarize } from '../../src/cli/dead-letters/list.ts'
import { deadFolder } from '../../src/dead-letters/folder.ts'
import { nodeFileSystem as files } from '../../src/log/file-system.ts'
import { type FakeInflux, influxError, openFakeInflux } from '../support/fake-influx.ts'
import { failing } from '../support/losable-log.ts'
import { readMetrics, sumOf } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

interface World extends AsyncDisposable {
  readonly folder: string
  readonly relay: RelayProcess
  readonly adminUrl: string
  readonly b: FakeInflux
  /** Output a takes it, output b does not. */
  refuse(count: number): Promise<void>
  /** As the metrics have it. */
  counted(name: string): Promise<number>
}

async function openWorld(t: TestContext): Promise<World> {
  const folder = join(await temporaryFolder(t), 'log')
  const [a, b] = [await openFakeInflux(), await openFakeInflux()]
  b.answer = influxError(400, 'partial write: field type conflict dropped=1')
  const { toml, adminUrl } = await relayConfig({
    outputs: [a.url, b.url],
    http: `log-dir = "${folder}"`,
  })
  const relay = await startRelayProcess({ config: toml })
  const counted = async (name: string) => sumOf(await readMetrics(adminUrl), name, { output: 'b' })
  let sent = 0
  const refuse = async (count: number) => {
    for (let n = 0; n < count; n++) {
      assert.equal((await relay.write(`m n=${sent}i ${sent}`)).status, 204)
      sent++
    }
    const dead = async () => {
      const samples = await readMetrics(adminUrl)
      const labels = { output: 'b', outcome: 'dead_lettered' }
      return sumOf(samples, 'relay_output_lines_total', labels)
    }
    await until(async () => (await dead()) === sent, { what: 'b has refused all' })
  }
  const close = async () => {
    await relay[Symbol.asyncDispose]()
    await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
  }
  return { folder, relay, adminUrl, b, refuse, counted, [Symbol.asyncDispose]: close }
}

/** As `relay dead list` shows them. */
async function listed({ folder }: World): Promise<number> {
  const place = { files, folder: deadFolder(folder, 'b'), output: 'b' }
  return (await summarize({ ...place, relay: 'test', logFolder: folder })).letters
}

async function settled(world: World, letters: number): Promise<void> {
  let [counted, shown] = [0, 0]
  const isSo = async () => {
    counted = await world.counted('relay_dead_letters')
    shown = await listed(world)
    return counted === letters && shown === letters
  }
  const what = () => `${letters} letters are counted (${counted}) and listed (${shown})`
  await until(isSo, { what })
}

interface Way {
  readonly lose: (folder: string) => Promise<void>
  /** Of the whole folder: the relay sees it, and somebody puts a folder there again. */
  readonly giveBack?: (folder: string) => Promise<void>
}

const WAYS: Readonly<Record<string, Way>> = {
  'rm -r': {
    lose: (folder) => rm(folder, { recursive: true, maxRetries: 20 }),
    giveBack: (folder) => mkdir(folder).then(() => {}),
  },
  'mv, and another one': {
    lose: (folder) => rename(folder, `${folder}.away`),
    giveBack: (folder) => mkdir(folder).then(() => {}),
  },
  'mv, and back': {
    lose: (folder) => rename(folder, `${folder}.away`),
    giveBack: (folder) => rename(`${folder}.away`, folder),
  },
  'mv and mkdir at once': {
    async lose(folder) {
      await rename(folder, `${folder}.away`)
      await mkdir(folder)
    },
  },
  'rm -r of all dead letters': {
    lose: (folder) => rm(join(folder, 'dead'), { recursive: true, maxRetries: 20 }),
  },
}

for (const [name, { lose, giveBack }] of Object.entries(WAYS)) {
  test(`${name}: what was refused before, meanwhile and after is on the disk, and counted once`, async (t) => {
    await using world = await openWorld(t)
    const { folder, relay, adminUrl, b } = world
    await world.refuse(5)
    await settled(world, 5)
    // Acknowledged, and refused only once the folder is gone.
    b.hold()
    const refusing = world.refuse(1)
    await b.receives(' n=5i ')
    await lose(folder)
    if (giveBack !== undefined) {
      await until(async () => (await failing(adminUrl)) === 1, { what: 'the loss is seen' })
    }
    b.release()
    await refusing
    if (giveBack !== undefined) {
      await giveBack(folder)
      await until(async () => (await failing(adminUrl)) === 0, { what: 'it is mended' })
    }
    await settled(world, 6)
    await world.refuse(5)
    await settled(world, 11)
    assert.equal(await world.counted('relay_dead_letters_lost_total'), 0)
    const { code } = await relay.kill('SIGTERM')
    assert.equal(code, 0, relay.output)
    assert.equal(await listed(world), 11)
  })
}

test('letters that cannot be had any more are counted and told of, and make exit 1', async (t) => {
  await using world = await openWorld(t)
  const { folder, relay } = world
  await world.refuse(5)
  await settled(world, 5)
  const first = join(deadFolder(folder, 'b'), '0000000000000001.seg')
  await truncate(first, 1500) // In the middle of one of them.
  await relay.line(({ msg }) => /dead letters: lost .*: their files were removed/.test(msg))
  const lost = await world.counted('relay_dead_letters_lost_total')
  assert(lost > 0 && lost <= 5, String(lost))
  await settled(world, 5 - lost)
  await world.refuse(2)
  await settled(world, 7 - lost)
  const { code } = await relay.kill('SIGTERM')
  assert.equal(code, 1, relay.output)
  assert.match(
    relay.logs.at(-1)?.msg ?? '',
    new RegExp(`${lost} dead letters? lost with their files`),
  )
})

test('letters that are removed just before a stop are told of by it, and make exit 1', async (t) => {
  await using world = await openWorld(t)
  const { folder, relay } = world
  await world.refuse(5)
  await settled(world, 5)
  await truncate(join(deadFolder(folder, 'b'), '0000000000000001.seg'), 1500)
  const { code } = await relay.kill('SIGTERM')
  assert.equal(code, 1, relay.output)
  assert.match(relay.logs.at(-1)?.msg ?? '', /[1-5] dead letters? lost with their files/)
})

test('a first refusal while the folder is gone makes none: it may be a volume that is not mounted', async (t) => {
  await using world = await openWorld(t)
  const { folder, adminUrl, b } = world
  b.hold()
  const refusing = world.refuse(1)
  await b.receives(' n=0i ')
  await rename(folder, `${folder}.away`)
  await until(async () => (await failing(adminUrl)) === 1, { what: 'the loss is seen' })
  b.release()
  await refusing
  await world.relay.line(({ msg }) => msg.includes('cannot be used: '))
  await rename(`${folder}.away`, folder) // Rejects when there is something.
  await settled(world, 1)
})
