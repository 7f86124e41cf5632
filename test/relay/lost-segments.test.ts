import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { drained, openDurableRelay, Server } from '../support/durable-relay.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
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
