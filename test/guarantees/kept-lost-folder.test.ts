/**
 * G5: a 204 is kept. Here: with a folder that is taken away from under a running relay.
 *
 * From the moment that the folder, or a part of it, is gone, writes are answered 503; what is
 * acknowledged after that is not lost, and as long as it is in memory nothing is that was
 * acknowledged before: it goes back to the disk once there is a folder. What is lost all the same
 * is told of, and makes exit 1.
 *
 * Method: the whole program, four clients that never stop, and one output that is down until the
 * relay has been started anew: all that it gets then has been on the disk. Each way to lose a
 * folder is tried `scaled(1)` times in one process (RELAY_TRIALS=20: twenty).
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { failing, numbersAtB, openLosableLog, removeLock } from '../support/losable-log.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, runRelay, startRelayProcess } from '../support/relay-process.ts'
import { scaled } from '../support/trials.ts'
import { until } from '../support/wait.ts'
import { openWriteClient } from '../support/write-client.ts'

const CLIENTS = 4

async function segmentsOf(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(folder, name))
}

interface Way {
  readonly lose: (folder: string) => Promise<void>
  /** Somebody puts a folder there again; absent = nobody has to. */
  readonly giveBack?: (folder: string) => Promise<void>
}

const WAYS: Readonly<Record<string, Way>> = {
  'rm -r': {
    // Again when the relay has made a file in it meanwhile.
    lose: (folder) => rm(folder, { recursive: true, maxRetries: 20 }),
    giveBack: (folder) => mkdir(folder),
  },
  'mv, and back': {
    lose: (folder) => rename(folder, `${folder}.away`),
    giveBack: (folder) => rename(`${folder}.away`, folder),
  },
  'mv, and another one': {
    async lose(folder) {
      await rm(`${folder}.away`, { recursive: true, force: true })
      await rename(folder, `${folder}.away`)
    },
    giveBack: (folder) => mkdir(folder),
  },
  'mv and mkdir at once': {
    async lose(folder) {
      await rm(`${folder}.away`, { recursive: true, force: true })
      await rename(folder, `${folder}.away`)
      await mkdir(folder)
    },
  },
  'a copy in its place': {
    async lose(folder) {
      await rm(`${folder}.copy`, { recursive: true, force: true })
      await rm(`${folder}.away`, { recursive: true, force: true })
      execFileSync('cp', ['-a', folder, `${folder}.copy`])
      await rename(folder, `${folder}.away`)
      await rename(`${folder}.copy`, folder)
    },
  },
  'rm of all segments': {
    async lose(folder) {
      for (const path of await segmentsOf(folder)) await rm(path)
    },
  },
  'rm of the open segment': {
    async lose(folder) {
      await rm((await segmentsOf(folder)).at(-1) ?? '')
    },
  },
  'the open segment is cut to nothing': {
    async lose(folder) {
      const file = await open((await segmentsOf(folder)).at(-1) ?? '', 'r+')
      await file.truncate(0)
      await file.close()
    },
  },
  'another file in the place of the open segment': {
    async lose(folder) {
      const path = (await segmentsOf(folder)).at(-1) ?? ''
      await cp(path, `${path}.copy`)
      await rename(`${path}.copy`, path)
    },
  },
}

/** Numbered writes of clients that come back as soon as they are answered. */
class Writers implements AsyncDisposable {
  readonly acknowledged: number[] = []
  refused = 0
  #next = 1
  #isStopped = false
  readonly #running: Promise<unknown>

  constructor(relay: RelayProcess) {
    this.#running = Promise.all(Array.from({ length: CLIENTS }, () => this.#write(relay)))
  }

  /** Whoever writes it writes it after this moment. */
  get next(): number {
    return this.#next
  }

  /** So many more are acknowledged. */
  async acknowledges(count: number): Promise<void> {
    const enough = this.acknowledged.length + count
    await until(() => this.acknowledged.length >= enough, { what: 'writes are acknowledged' })
  }

  /** Resolves when all are answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #write(relay: RelayProcess): Promise<void> {
    using client = openWriteClient(relay.url)
    while (!this.#isStopped) {
      const n = this.#next++
      const { status, body } = await client.write(`m n=${n}i ${n}`)
      if (status === 204) this.acknowledged.push(n)
      else {
        assert.equal(status, 503, String(body))
        this.refused++
      }
    }
  }
}

for (const [name, { lose, giveBack }] of Object.entries(WAYS)) {
  test(`${name}: 503 until there is a folder, and nothing that was acknowledged is lost`, async (t) => {
    await using opened = await openLosableLog(t)
    const { folder, toml, adminUrl } = opened
    const after = new Set<number>()
    let acknowledged: readonly number[] = []
    {
      await using relay = await startRelayProcess({ config: toml })
      await using writers = new Writers(relay)
      for (let round = 0; round < scaled(1); round++) {
        await writers.acknowledges(20)
        const refusedBefore = writers.refused
        await lose(folder)
        const first = writers.next
        if (giveBack !== undefined) {
          await until(() => writers.refused > refusedBefore, { what: 'a write is answered 503' })
          assert.equal(await failing(adminUrl), 1)
          const before = writers.acknowledged.length
          await until(async () => (await failing(adminUrl)) === 1, { what: 'it is a failing disk' })
          assert.equal(writers.acknowledged.length, before, 'acknowledged without a folder')
          await giveBack(folder)
        }
        await relay.nextLog(({ msg }) => msg.includes('is complete again'))
        await writers.acknowledges(20)
        for (const n of writers.acknowledged) if (n >= first) after.add(n)
      }
      await writers[Symbol.asyncDispose]()
      acknowledged = writers.acknowledged
      assert(relay.logs.some(({ level, msg }) => level === 'error' && msg.includes(': log: ')))
      assert.equal(await failing(adminUrl), 0)
      const { code } = await relay.kill('SIGTERM')
      assert.equal(code, 0, relay.output)
    }
    const there = await numbersAtB(opened)
    const missing = acknowledged.filter((n) => !there.has(n))
    const lost = missing.filter((n) => after.has(n))
    assert.deepEqual(lost, [], 'acknowledged after the loss, and missing')
    assert.deepEqual(missing, [], 'acknowledged, in memory, and missing')
    t.diagnostic(
      `${scaled(1)} rounds; ${acknowledged.length} acknowledged, ${after.size} of them after a loss`,
    )
  })
}

test('a lock that somebody removes is made again: no second relay starts, and the first goes on', async (t) => {
  await using opened = await openLosableLog(t)
  const { folder, toml } = opened
  const other = await relayConfig({ outputs: [opened.b.url], http: `log-dir = "${folder}"` })
  for (let round = 0; round < scaled(1); round++) {
    await using relay = await startRelayProcess({ config: toml })
    await using writers = new Writers(relay)
    await writers.acknowledges(10)
    const before = (await readdir(folder)).filter((name) => name.startsWith('lock')).sort()
    await removeLock(folder)
    const { code, output } = await runRelay({ config: other.toml })
    assert.equal(code, 1)
    assert.match(output, /in use by another running relay/)
    await writers.acknowledges(10)
    await writers[Symbol.asyncDispose]()
    assert.equal(writers.refused, 0)
    const after = (await readdir(folder)).filter((name) => name.startsWith('lock')).sort()
    assert.deepEqual(after, before)
    assert.equal((await relay.kill('SIGTERM')).code, 0)
  }
})
