import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Arrivals } from '../support/arrivals.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'
import { drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { hurriedClock } from '../support/hurried-clock.ts'
import { outputOf, SILENT, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

test('what was on the disk only and is taken away is counted by output, and the books are even', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  b.isUp = false
  const { relay, disk } = await openDurableRelay(folder, [a, b])
  t.after(() => relay[Symbol.asyncDispose]())
  await relay.start()
  const sent: string[] = []
  for (let n = 1; n <= 200; n++) {
    const line = `m,s=${'x'.repeat(150)} n=${n}i ${n}`
    sent.push(line)
    assert.equal((await relay.accept(writeOf(`${line}\n`))).status, 204)
  }
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.seg'))
  assert(segments.length > 6)
  for (const name of segments.slice(2, -2)) await rm(join(folder, name))
  const lostWrites = () => disk.snapshot().lostWrites
  await until(() => lostWrites().has('b'), { what: 'the loss is seen' })
  b.isUp = true
  await drained(relay, ['b'])
  const lost = lostWrites().get('b') ?? 0
  assert(lost > 0)
  assert.deepEqual([...lostWrites().keys()], ['b'])
  assert.equal(outputOf(relay, 'b').droppedLines['log-lost'], lost)
  assert.equal(b.stored.length, sent.length - lost)
  assert.deepEqual(
    b.stored,
    sent.filter((line) => b.stored.includes(line)),
    'in order',
  )
})

test('an older segment that is cut short is written again from memory', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  b.isUp = false
  const warned = new Arrivals<string>((text) => text)
  const logger = { ...SILENT, warn: (_: unknown, text: string) => warned.push(text) }
  const { relay, disk } = await openDurableRelay(folder, [a, b], { windowBytes: 1e6, logger })
  await relay.start()
  const sent: string[] = []
  for (let n = 1; n <= 100; n++) {
    sent.push(`m,s=${'x'.repeat(150)} n=${n}i ${n}`)
    assert.equal((await relay.accept(writeOf(`${sent.at(-1)}\n`))).status, 204)
  }
  const [, second = ''] = (await readdir(folder)).filter((name) => name.endsWith('.seg')).sort()
  await truncate(join(folder, second), 2000)
  await warned.first((text) => text.includes('is complete again'), 'it is mended')
  assert.equal(disk.snapshot().lostWrites.size, 0)
  await relay[Symbol.asyncDispose]()
  b.isUp = true
  const next = await openDurableRelay(folder, [a, b])
  t.after(() => next.relay[Symbol.asyncDispose]())
  await next.relay.start()
  await drained(next.relay, ['b'])
  assert.deepEqual(b.stored, sent)
})

test('what is in memory when the folder is lost is not given back, however short memory is', async (t) => {
  const folder = join(await temporaryFolder(t), 'log')
  const [a, b] = [new Server(), new Server()]
  b.isUp = false
  const options = { windowBytes: 1e6, memoryBytes: 100_000, clock: hurriedClock }
  const { relay, disk } = await openDurableRelay(folder, [a, b], options)
  await relay.start()
  const sent = Array.from({ length: 50 }, (_, n) => `m n=${n}i ${n}`)
  for (const line of sent) assert.equal((await relay.accept(writeOf(`${line}\n`))).status, 204)
  await rename(folder, `${folder}.away`)
  await until(() => disk.isFailing, { what: 'the loss is seen' })
  assert.equal(relay.memory.tryTake(90_000), false, 'a body that comes in meanwhile')
  await mkdir(folder)
  await until(() => !disk.isFailing, { what: 'it is mended' })
  assert.equal(disk.snapshot().lostWrites.size, 0)
  await relay[Symbol.asyncDispose]()
  b.isUp = true
  const next = await openDurableRelay(folder, [a, b])
  t.after(() => next.relay[Symbol.asyncDispose]())
  await next.relay.start()
  await drained(next.relay, ['b'])
  assert.deepEqual(b.stored, sent)
})

test('a stop waits for what is in memory of a log that is lost, also of one that is behind', async (t) => {
  const folder = join(await temporaryFolder(t), 'log')
  const [a, b] = [new Server(), new Server()]
  const { relay, disk } = await openDurableRelay(folder, [a, b], { clock: hurriedClock })
  t.after(() => relay[Symbol.asyncDispose]())
  await relay.start()
  b.hold()
  const count = 60 // More than its window has room for.
  for (let n = 0; n < count; n++) {
    assert.equal((await relay.accept(writeOf(`m n=${n}i ${n}\n`))).status, 204)
  }
  assert.equal(outputOf(relay, 'b').isInSync, false)
  await rename(folder, `${folder}.away`)
  await until(() => disk.isFailing, { what: 'the loss is seen' })
  const draining = relay.drain(new AbortController().signal)
  b.release()
  await draining
  await relay.saveNow()
  const { unkeptWrites, loss } = disk.snapshot()
  assert.equal(loss, 'gone')
  assert(b.stored.length > 0)
  assert.deepEqual(
    [...unkeptWrites],
    [
      ['a', 0],
      ['b', count - b.stored.length],
    ],
  )
  assert.equal(outputOf(relay, 'b').pendingWrites, count - b.stored.length)
})

test('the folder of another log in the place of ours is left as it is, and so is what it owes', async (t) => {
  const above = await temporaryFolder(t)
  const [mine, other] = [join(above, 'mine'), join(above, 'other')]
  const b = new Server()
  b.isUp = false
  const owed = Array.from({ length: 20 }, (_, n) => `m other=${n}i ${n}`)
  const left = await openDurableRelay(other, [new Server(), b])
  for (const line of owed) {
    assert.equal((await left.relay.accept(writeOf(`${line}\n`))).status, 204)
  }
  await left.relay[Symbol.asyncDispose]()
  // As an older release leaves it.
  for (const name of await readdir(other)) {
    if (name.startsWith('lock')) await rm(join(other, name))
  }
  const { logger, lines } = keepingLogger()
  let passedMs = 0
  const clock = { ...hurriedClock, monotonicMs: () => hurriedClock.monotonicMs() + passedMs }
  const opened = await openDurableRelay(mine, [new Server(), new Server()], { logger, clock })
  assert.equal((await opened.relay.accept(writeOf('m mine=1i 1\n'))).status, 204)

  await rename(mine, `${mine}.away`)
  await rename(other, mine)
  const told = () => lines.filter((line) => line.includes('not of this log'))
  await until(() => told().length === 1, { what: 'the folder is seen to be of another log' })
  passedMs = 61_000
  await until(() => told().length === 2, { what: 'it is told again' })
  assert.equal((await opened.relay.accept(writeOf('m mine=2i 2\n'))).status, 503)
  await opened.relay[Symbol.asyncDispose]()

  b.isUp = true
  const again = await openDurableRelay(mine, [new Server(), b])
  await drained(again.relay, ['b'])
  assert.deepEqual(b.stored, owed)
  await again.relay[Symbol.asyncDispose]()
})

test('after the folder was lost its gaps are on record again, and what was in quarantine is told of', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'quarantine'))
  await writeFile(join(folder, 'quarantine', 'damaged.bad'), 'x')
  const [a, b] = [new Server(), new Server()]
  b.isUp = false
  const { logger, lines } = keepingLogger()
  const bounded = { boundBytes: 10_000, lagMaxMs: 0, clock: hurriedClock, logger }
  const { relay, disk } = await openDurableRelay(folder, [a, b], bounded)
  await relay.start()
  const dropped = () => outputOf(relay, 'b').droppedLines['backlog-full']
  for (let n = 1; dropped() === 0; n++) {
    await relay.accept(writeOf(`m,s=${'x'.repeat(150)} n=${n}i ${n}\n`))
  }
  await drained(relay, ['a'])
  const linesLost = dropped()
  await rename(folder, `${folder}.away`)
  t.after(() => rm(`${folder}.away`, { recursive: true }))
  await until(() => disk.isFailing, { what: 'the loss is seen' })
  await mkdir(folder)
  await until(() => !disk.isFailing, { what: 'it is mended' })
  const onRecord = async () => {
    const text = await readFile(join(folder, 'gaps.jsonl'), 'utf8').catch(() => '')
    const gaps = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).lines]))
    return gaps.reduce((sum: number, count: number) => sum + count, 0)
  }
  await until(async () => (await onRecord()) >= linesLost, { what: 'the gaps are on record' })
  const isTold = () => lines.some((line) => /quarantine\/.*without 1 file.*damaged\.bad/.test(line))
  await until(isTold, { what: 'the quarantine is told of' })
  await relay[Symbol.asyncDispose]()
  assert.equal(await onRecord(), dropped())
})
