/**
 * G4 and G5 where another process takes the log's folder over: neither loses a write, and what the
 * new owner has is not delivered once more by the former one, behind what is newer.
 *
 * Method: the whole program, and a second one on the same folder or on another one at its path,
 * with the lock in the way of nobody, as on another machine.
 */
import assert from 'node:assert/strict'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { httpRequest } from '../support/http-request.ts'
import {
  failing,
  type LosableLog,
  numbersAtB,
  openLosableLog,
  removeLock,
} from '../support/losable-log.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { scaled } from '../support/trials.ts'
import { until } from '../support/wait.ts'

/** A relay of its own on the same folder, before the same output b. */
async function otherRelay({ b, folder }: LosableLog): Promise<{ toml: string; adminUrl: string }> {
  const config = await relayConfig({
    outputs: [`{ location = "${b.url}/write", max-delay-interval = "200ms" }`],
    http: `log-dir = "${folder}"\nack = "log"`,
  })
  return { ...config, toml: config.toml.replace('name = "a"', 'name = "b"') }
}

async function acknowledge(relay: RelayProcess, lines: readonly string[]): Promise<void> {
  for (const line of lines) assert.equal((await relay.write(line)).status, 204)
}

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `m n=${n}i ${n}`)

/** Output b has nothing of what was acknowledged, and what it is owed is in memory only. */
async function assertTold(former: RelayProcess, { adminUrl }: LosableLog): Promise<void> {
  assert.equal(await failing(adminUrl), 1)
  const ready = await httpRequest(`${adminUrl}/ready`)
  assert.equal(ready.status, 503)
  const health = await httpRequest(`${adminUrl}/health`)
  assert.equal(health.status, 503)
  assert.match(health.body.toString(), /relay \\"test\\" answers writes 503 /)
  const own = await httpRequest(`${former.url}/health`)
  assert.equal(own.status, 503)
  assert.match(own.body.toString(), /its log on disk cannot be written/)
  const { code } = await former.kill('SIGTERM')
  const last = former.logs.filter(({ msg }) => msg.includes('did not get'))
  assert.match(
    last.map(({ msg }) => msg).join('\n'),
    /output "b" did not get 10 lines in 10 writes/,
  )
  assert.match(last.map(({ msg }) => msg).join('\n'), /in no log/)
  assert.equal(code, 1, former.output)
}

test('a folder that is lost a moment before the stop is seen all the same, and exit 1', async (t) => {
  await using opened = await openLosableLog(t)
  await using former = await startRelayProcess({ config: opened.toml })
  await acknowledge(former, numbered(10))
  await rm(opened.folder, { recursive: true, maxRetries: 20 })
  const { code } = await former.kill('SIGTERM')
  assert.match(former.output, /output \\"b\\" did not get 10 lines in 10 writes; .* in no log/)
  assert.equal(code, 1)
})

for (const end of ['runs', 'has ended', 'was killed'] as const) {
  test(`a folder that is gone, and another one whose relay ${end}: what is in no log is told of, and exit 1`, async (t) => {
    await using opened = await openLosableLog(t)
    const { folder } = opened
    await using former = await startRelayProcess({ config: opened.toml })
    await acknowledge(former, numbered(10))
    await rm(folder, { recursive: true, maxRetries: 20 })
    await until(async () => (await failing(opened.adminUrl)) === 1, { what: 'the loss is seen' })
    // It begins in a folder that the former one has not made anew meanwhile.
    await mkdir(`${folder}.new`)
    const config = await otherRelay({ ...opened, folder: `${folder}.new` })
    await using next = await startRelayProcess({ config: config.toml })
    await acknowledge(next, ['m n=100i 100'])
    if (end !== 'runs') await next.kill(end === 'has ended' ? 'SIGTERM' : 'SIGKILL')
    await rename(`${folder}.new`, folder)
    await former.line(({ msg }) => /another|not of this log/.test(msg))
    assert.equal((await former.write('m n=11i 11')).status, 503)
    await assertTold(former, opened)
  })
}

test('a folder that another machine has begun: the lock is foreign, and what is in no log is told of', async (t) => {
  await using opened = await openLosableLog(t)
  const { folder } = opened
  await using former = await startRelayProcess({ config: opened.toml })
  await acknowledge(former, numbered(10))
  await rename(folder, `${folder}.away`)
  await until(async () => (await failing(opened.adminUrl)) === 1, { what: 'the loss is seen' })
  await mkdir(`${folder}.new`)
  const config = await otherRelay({ ...opened, folder: `${folder}.new` })
  await using next = await startRelayProcess({ config: config.toml })
  await next.kill('SIGKILL')
  // What is left of a machine that nobody sees from here: its lock, and no record yet.
  for (const name of await readdir(`${folder}.new`)) {
    if (name !== 'lock') await rm(`${folder}.new/${name}`, { recursive: true })
  }
  await rename(`${folder}.new`, folder)
  await former.line(({ msg }) => msg.includes('taken over by another process'))
  await assertTold(former, opened)
})

test('what is in no log is delivered from memory by the former owner, and exit 0', async (t) => {
  await using opened = await openLosableLog(t)
  const { folder, adminUrl, b } = opened
  await using former = await startRelayProcess({ config: opened.toml })
  await acknowledge(former, numbered(10))
  former.signal('SIGSTOP')
  for (const name of await readdir(folder)) await rm(`${folder}/${name}`, { recursive: true })
  const config = await otherRelay(opened)
  await using next = await startRelayProcess({ config: config.toml })
  await acknowledge(next, ['m n=100i 100'])
  former.signal('SIGCONT')
  await former.line(({ msg }) => msg.includes('taken over by another process'))
  await b.start()
  await untilNothingPends(adminUrl)
  await untilNothingPends(config.adminUrl)
  assert.equal((await former.kill('SIGTERM')).code, 0)
  assert.equal((await next.kill('SIGTERM')).code, 0)
  const there = new Set([...b.received.matchAll(/ n=(\d+)i/g)].map(([, n]) => Number(n)))
  assert.deepEqual(
    [...there].sort((x, y) => x - y),
    [...numbered(10).keys(), 100],
  )
})

test('what the new owner has is its own to deliver: nothing old comes behind what is newer', async (t) => {
  await using opened = await openLosableLog(t)
  const { adminUrl, b } = opened
  const config = await otherRelay(opened)
  for (let round = 0; round < scaled(1); round++) {
    await b.stop()
    await using former = await startRelayProcess({ config: opened.toml })
    const point = (n: number) => `point,round=${round} n=${n}i 1`
    await acknowledge(former, [point(1), point(2)])
    former.signal('SIGSTOP')
    await removeLock(opened.folder)
    await using next = await startRelayProcess({ config: config.toml })
    await acknowledge(next, [point(3)])
    await b.start()
    await untilNothingPends(config.adminUrl)
    former.signal('SIGCONT')
    await former.line(({ msg }) => msg.includes('taken over by another process'))
    // It would send now, and does while it stops.
    const isUp = async () => {
      const samples = await readMetrics(adminUrl)
      return sumOf(samples, 'relay_output_up', { output: 'b' }) === 1
    }
    await until(isUp, { what: 'the former owner sees that output b is up' })
    assert.equal((await former.kill('SIGTERM')).code, 0, former.output)
    assert(
      former.logs.some(({ msg }) => msg.includes('another process has')),
      former.output,
    )
    assert.equal((await next.kill('SIGTERM')).code, 0)
    const order = [...b.received.matchAll(new RegExp(`round=${round} n=(\\d)`, 'g'))]
    assert.deepEqual(
      order.map(([, n]) => Number(n)),
      [1, 2, 3],
    )
  }
})

test('an owner that was stopped while another took the folder: 503 from then on, and neither loses a write', async (t) => {
  await using opened = await openLosableLog(t)
  const { folder, toml, adminUrl } = opened
  const { toml: other } = await otherRelay(opened)
  const acknowledged: number[] = []
  let n = 0
  for (let round = 0; round < scaled(1); round++) {
    await using former = await startRelayProcess({ config: toml })
    const write = async (relay: RelayProcess, expected: number) => {
      const number = ++n
      const { status } = await relay.write(`m n=${number}i ${number}`)
      assert.equal(status, expected)
      if (status === 204) acknowledged.push(number)
    }
    for (let i = 0; i < 10; i++) await write(former, 204)
    former.signal('SIGSTOP')
    await removeLock(folder)
    await using next = await startRelayProcess({ config: other })
    for (let i = 0; i < 10; i++) await write(next, 204)
    const late = write(former, 503)
    former.signal('SIGCONT')
    await late
    for (let i = 0; i < 10; i++) {
      await write(former, 503)
      await write(next, 204)
    }
    assert.equal(await failing(adminUrl), 1)
    await former.line(({ msg }) => msg.includes('taken over by another process'))
    assert.equal((await former.kill('SIGTERM')).code, 0)
    assert.equal((await next.kill('SIGTERM')).code, 0)
  }
  const there = await numbersAtB(opened)
  assert.deepEqual(
    acknowledged.filter((number) => !there.has(number)),
    [],
  )
})
