/**
 * An output that is not configured any more keeps its place in the log on disk up to a bound: it is
 * told of, it gives way when the log is full, and what it has given up is on record.
 *
 * Method: an output is down, is missing in the next start, and is there again in the last one, as
 * after `relay log adopt`. The log is so small that it is at its bound all the time.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DiskLog } from '../../src/log/disk-log.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'
import { drained, openDurableRelay, Server, savedCursor } from '../support/durable-relay.ts'
import { hurriedClock } from '../support/hurried-clock.ts'
import { writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const SMALL = { maxBytes: 30_000, clock: hurriedClock }

/** As a client does: what is answered 503 is sent again. */
async function write(relay: Relay, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const isTaken = async () => {
      return (await relay.accept(writeOf(`m v=${i} ${i}\nm v=${i} ${i}\n`))).status === 204
    }
    await until(isTaken, { what: `write ${i} is taken` })
  }
}

/** @returns the number of the first that was not taken */
async function writeUntilFull(relay: Relay, from: number): Promise<number> {
  for (let i = from; i < from + 10_000; i++) {
    const { status } = await relay.accept(writeOf(`m v=${i} ${i}\n`))
    if (status === 204) continue
    assert.equal(relay.snapshot().refusedWrites['log-full'], 1)
    return i
  }
  throw new Error('the log is not full')
}

/** Of the writes that it has, in the order in which they came. */
function numbersOf({ stored }: Server): number[] {
  return stored.map((body) => Number(body.split(' ')[2]?.split('\n')[0]))
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

async function gapsOf(folder: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(join(folder, 'gaps.jsonl'), 'utf8')).trim().split('\n')
  return lines.map((line): Record<string, unknown> => JSON.parse(line))
}

function orphanOf(disk: DiskLog) {
  const [orphan, ...others] = disk.snapshot().orphans
  assert(orphan !== undefined && others.length === 0)
  return orphan
}

/** The orphan is b, and is owed `count` writes that a has. */
async function leaveOrphan(folder: string, a: Server, b: Server, count: number): Promise<void> {
  b.isUp = false
  const { relay } = await openDurableRelay(folder, [a, b], SMALL)
  await write(relay, 0, count)
  await drained(relay, ['a'])
  await relay[Symbol.asyncDispose]()
  b.isUp = true
}

test('a removed output gives up its oldest at the bound: writes go on, and it is on record', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  await leaveOrphan(folder, a, b, 100)
  const { logger, lines } = keepingLogger()
  const second = await openDurableRelay(folder, [a], { ...SMALL, logger })
  await write(second.relay, 100, 1000)
  await drained(second.relay, ['a'])
  assert.deepEqual(numbersOf(a), numbers(0, 1000))
  const { output, droppedWrites, droppedLines, keptWrites, keptBytes } = orphanOf(second.disk)
  assert(droppedWrites > 500 && droppedWrites < 1000, `${droppedWrites} given up`)
  assert.equal(droppedLines, 2 * droppedWrites)
  assert.equal(output, 'b')
  assert.equal(keptWrites, 1000 - droppedWrites)
  assert(keptBytes > 0 && keptBytes <= SMALL.maxBytes, `${keptBytes} bytes kept`)
  assert.equal(
    lines.filter((line) =>
      /output "b".* gives up its oldest writes that other outputs have done: /.test(line),
    ).length,
    1,
  )
  await second.relay[Symbol.asyncDispose]()

  const gaps = await gapsOf(folder)
  assert(gaps.every((gap) => gap['output'] === 'b' && gap['database'] === 'db'))
  assert.deepEqual([gaps[0]?.['fromNs'], gaps[0]?.['fromSequence']], ['0', 1])
  assert.equal(gaps.at(-1)?.['toNs'], String(droppedWrites - 1))
  const sum = (key: string) => gaps.reduce((total, gap) => total + Number(gap[key]), 0)
  assert.deepEqual([sum('writes'), sum('lines')], [droppedWrites, droppedLines])
  assert.equal((await savedCursor(folder, 'b'))?.doneBelow, droppedWrites + 1)

  const third = await openDurableRelay(folder, [a, b], SMALL)
  await until(async () => b.stored.length === keptWrites, { what: 'b has what was kept for it' })
  await drained(third.relay, ['a', 'b'])
  assert.deepEqual(numbersOf(b), numbers(droppedWrites, 1000))
  await third.relay[Symbol.asyncDispose]()
})

test('at every start it is told what is kept for it', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  await leaveOrphan(folder, a, b, 100)
  for (const count of [100, 101]) {
    const { logger, lines } = keepingLogger()
    const { relay, disk } = await openDurableRelay(folder, [a], { ...SMALL, logger })
    const told = lines.filter((line) => line.includes('not configured any more'))
    assert.equal(told.length, 1)
    const [text = ''] = told
    assert.match(text, /^log: output "b" .* from number 1 on are kept for it: /)
    assert(text.includes(`: ${count} writes by number, `), text)
    assert.match(text, /by number, \d+\.\d kB of the log/)
    assert(text.includes('relay log adopt "b" NEW'), text)
    assert(text.endsWith(join(folder, 'cursors', 'b.cursor')), text)
    assert.equal(orphanOf(disk).keptWrites, count)
    await write(relay, 100, 101)
    await drained(relay, ['a'])
    await relay[Symbol.asyncDispose]()
  }
})

test('a removed output that is owed nothing is told of as well, and keeps nothing yet', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const first = await openDurableRelay(folder, servers, SMALL)
  await write(first.relay, 0, 10)
  await drained(first.relay, ['a', 'b'])
  await first.relay[Symbol.asyncDispose]()
  const { logger, lines } = keepingLogger()
  const second = await openDurableRelay(folder, servers.slice(0, 1), { ...SMALL, logger })
  assert(lines.some((line) => line.includes('kept for it: 0 writes by number, 0 B of the log')))
  const { keptWrites, keptBytes } = orphanOf(second.disk)
  assert.deepEqual([keptWrites, keptBytes], [0, 0])
  await second.relay[Symbol.asyncDispose]()
})

test('what only a removed output and one that is down are owed is given up by neither', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  a.isUp = false
  await leaveOrphan(folder, a, b, 0)
  const { relay, disk } = await openDurableRelay(folder, [a], SMALL)
  const taken = await writeUntilFull(relay, 0)
  const isFullStill = async () => {
    assert.equal((await relay.accept(writeOf('m v=1 1\n'))).status, 503)
    return relay.snapshot().refusedWrites['log-full'] > 20
  }
  await until(isFullStill, { what: 'it has been looked for room several times' })
  assert.equal(orphanOf(disk).droppedWrites, 0)
  a.isUp = true
  // The outputs are through with it: from here on the removed one alone is behind.
  await write(relay, taken, taken + 500)
  await drained(relay, ['a'])
  assert.deepEqual(numbersOf(a), numbers(0, taken + 500))
  assert(orphanOf(disk).droppedWrites > 0)
  await relay[Symbol.asyncDispose]()
})

test('what cannot be put on record is not given up; the log is full until it can be', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  await leaveOrphan(folder, a, b, 100)
  await mkdir(join(folder, 'gaps.jsonl'))
  const { logger, lines } = keepingLogger()
  const { relay, disk } = await openDurableRelay(folder, [a], { ...SMALL, logger })
  const next = await writeUntilFull(relay, 100)
  const isSaid = () => lines.filter((line) => line.includes('cannot give up')).length === 1
  await until(isSaid, { what: 'it is said, once' })
  assert.equal(orphanOf(disk).droppedWrites, 0)
  await rm(join(folder, 'gaps.jsonl'), { recursive: true })
  await write(relay, next, next + 500)
  await drained(relay, ['a'])
  assert.equal(orphanOf(disk).keptWrites, next + 500 - orphanOf(disk).droppedWrites)
  assert(isSaid())
  await relay[Symbol.asyncDispose]()
})

test('a replayed letter of another output is not what a removed one gives up', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  await leaveOrphan(folder, a, b, 10)
  const { relay, disk } = await openDurableRelay(folder, [a], SMALL)
  const appending = disk.append(writeOf('letter 1\n'), 'a')
  assert(appending !== undefined)
  await appending.result
  disk.cursorOf(0).done.add(appending.sequence)
  await write(relay, 10, 1000)
  await drained(relay, ['a'])
  const gaps = await gapsOf(folder)
  const writes = gaps.reduce((sum, gap) => sum + Number(gap['writes']), 0)
  const { droppedWrites, keptWrites } = orphanOf(disk)
  assert.equal(writes, droppedWrites)
  assert.equal(droppedWrites + keptWrites, 1000)
  await relay[Symbol.asyncDispose]()
})
