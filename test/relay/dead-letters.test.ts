/**
 * What one output refuses and its client does not know of is kept, before the cursor passes it, and
 * can be sent again to that output alone.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type DeadLetters, openDeadLetters } from '../../src/dead-letters/store.ts'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import { openDiskLog } from '../../src/log/open-disk-log.ts'
import { systemClock } from '../../src/std/clock.ts'
import { DELIVERED, REFUSED, ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, outputOf, SILENT, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

class Picky extends ScriptedDestination {
  isPicky = false
  readonly stored: string[] = []
  override verdict = ({ writes }: { writes: readonly { body: Buffer }[] }) => {
    const lines = writes.map(({ body }) => String(body)).join('')
    if (this.isPicky && lines.includes('bad')) return REFUSED
    this.stored.push(...lines.split('\n').filter((line) => line !== ''))
    return DELIVERED
  }
}

async function open(folder: string, servers: readonly Picky[]) {
  const common = { files: nodeFileSystem, clock: systemClock, logger: SILENT, randomBytes }
  const names = ['a', 'b']
  const outputs = names.map((name) => ({ name, boundBytes: 1e9 }))
  const disk = await openDiskLog({ ...common, folder, outputs, maxBytes: 1e9 })
  const deadLetters: DeadLetters[] = []
  for (const output of names) {
    const { isOwner } = disk
    const options = { ...common, logFolder: folder, output, limitBytes: 1e8, isOwner }
    deadLetters.push(await openDeadLetters(options))
  }
  const { relay } = await openTestRelay(servers, { disk, deadLetters })
  return { relay, disk, deadLetters }
}

test('a refusal that the client does not know of is a dead letter, and can be replayed', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Picky(), new Picky()]
  b.isPicky = true
  const { relay, disk, deadLetters } = await open(folder, [a, b])
  for (const body of ['1\n', 'bad\n', '2\n']) {
    assert.equal((await relay.accept(writeOf(body))).status, 204)
  }
  await until(async () => disk.cursorOf(1).done.below === 4, {
    what: 'the cursor has passed the letter',
  })
  assert.equal(deadLetters[1]?.snapshot().letters, 1)
  assert.equal(outputOf(relay, 'b').outcomeLines['dead-lettered'], 1)
  assert.deepEqual(b.stored, ['1', '2'])

  b.isPicky = false
  assert.deepEqual(await relay.deadLetters.replay('b'), { writes: 1, lines: 1 })
  await until(async () => b.stored.length === 3, { what: 'b has it' })
  assert.deepEqual(a.stored, ['1', 'bad', '2'])
  assert.equal(deadLetters[1]?.snapshot().letters, 0)
  await relay[Symbol.asyncDispose]()
})

test('a refusal that is the client’s answer is no dead letter', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Picky(), new Picky()]
  for (const server of servers) server.isPicky = true
  const { relay, disk, deadLetters } = await open(folder, servers)
  assert.equal((await relay.accept(writeOf('bad\n'))).status, 400)
  const isDone = async () => [0, 1].every((index) => disk.cursorOf(index).done.below === 2)
  await until(isDone, { what: 'both cursors have passed it' })
  for (const [index, name] of ['a', 'b'].entries()) {
    assert.equal(deadLetters[index]?.snapshot().letters, 0)
    assert.equal(outputOf(relay, name).outcomeLines.refused, 1)
  }
  await relay[Symbol.asyncDispose]()
})

test('a replayed letter for an output that is behind waits its turn, over a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Picky(), new Picky()]
  b.isPicky = true
  const first = await open(folder, [a, b])
  await first.relay.accept(writeOf('bad\n'))
  await until(async () => first.deadLetters[1]?.snapshot().letters === 1, { what: 'the letter' })
  b.hold()
  void first.relay.accept(writeOf('1\n'))
  await b.attempts.atLeast(2)
  b.isPicky = false
  assert.deepEqual(await first.relay.deadLetters.replay('b'), { writes: 1, lines: 1 })
  const closing = first.relay[Symbol.asyncDispose]()
  b.release()
  await closing
  b.stored.length = 0
  const second = await open(folder, [a, b])
  await until(async () => b.stored.includes('bad'), { what: 'b has it' })
  assert.equal(a.stored.filter((line) => line === 'bad').length, 1)
  await second.relay[Symbol.asyncDispose]()
})
