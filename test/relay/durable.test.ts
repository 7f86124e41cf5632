/**
 * A relay with a log on disk before scripted destinations: what is taken reaches every output, in
 * order, over outages and restarts, with little memory.
 *
 * Method: real folders with tiny segments and a tiny window, so that rotation, trimming and falling
 * behind are reached at once. A restart without a close is what a kill leaves behind, as far as the
 * relay is concerned; power cuts are tried below (test/log/disk).
 */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import { keepingLogger } from '../support/disk-log-fixture.ts'
import { drained, openDurableRelay, Server, saved } from '../support/durable-relay.ts'
import { DELIVERED } from '../support/scripted-destination.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

test('what was taken while an output was down reaches it in order, also after a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  b.isUp = false
  const first = await openDurableRelay(folder, servers)
  const bodies = Array.from({ length: 300 }, (_, i) => `m v=${i} ${i}`)
  for (const body of bodies) {
    assert.equal((await first.relay.accept(writeOf(`${body}\n`))).status, 204)
  }
  assert(outputOf(first.relay, 'b').pendingLines === 300)
  await first.relay[Symbol.asyncDispose]()
  assert.deepEqual(a.stored, bodies)

  b.isUp = true
  const second = await openDurableRelay(folder, servers)
  await until(async () => b.stored.length >= 300, { what: 'b has caught up' })
  await drained(second.relay, ['a', 'b'])
  assert.deepEqual(b.stored, bodies)
  assert.equal(a.stored.length, 300, 'nothing is sent again after a clean stop')
  assert.equal((await second.relay.accept(writeOf('m v=9 999\n'))).status, 204)
  await drained(second.relay, ['a', 'b'])
  assert.equal(b.stored.at(-1), 'm v=9 999')
  await second.relay[Symbol.asyncDispose]()
})

test('an output that falls behind reads from the disk, keeps little in memory, and is live again', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  const { relay, disk } = await openDurableRelay(folder, servers)
  b.hold()
  for (let i = 0; i < 500; i++) await relay.accept(writeOf(`m v=${i} ${i}\n`, `db${i % 3}`))
  assert(relay.snapshot().logBytes < 6000, `${relay.snapshot().logBytes} bytes in memory`)
  b.release()
  await drained(relay, ['a', 'b'])
  for (let db = 0; db < 3; db++) {
    const times = b.stored.map((body) => Number(body.split(' ')[2])).filter((i) => i % 3 === db)
    assert.deepEqual(
      times,
      times.toSorted((x, y) => x - y),
    )
  }
  assert.equal(b.stored.length, 500)
  assert.equal((await relay.accept(writeOf('m v=1 1\n'))).status, 204)
  await drained(relay, ['b'])
  await until(async () => disk.bytes < 3 * 4096, { what: 'the log is trimmed' })
  await relay[Symbol.asyncDispose]()
})

test('no output up: yes at once for any, no for all; log needs none', async (t) => {
  for (const [acknowledgement, status] of [
    ['any', 204],
    ['log', 204],
    ['all', 503],
    ['quorum', 503],
  ] as const) {
    const folder = await temporaryFolder(t)
    const servers = [new Server(), new Server()]
    for (const server of servers) server.isUp = false
    const { relay } = await openDurableRelay(folder, servers, { acknowledgement })
    assert.equal((await relay.accept(writeOf('m v=1 1\n'))).status, status, acknowledgement)
    for (const server of servers) server.isUp = true
    await drained(relay, ['a', 'b'])
    for (const { stored } of servers) assert.equal(stored.length, status === 204 ? 1 : 0)
    await relay[Symbol.asyncDispose]()
  }
})

test('over its bound an output gives up its oldest that another one has, and it is on record', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  b.isUp = false
  const { relay } = await openDurableRelay(folder, servers, { boundBytes: 20_000 })
  for (let i = 0; i < 600; i++) await relay.accept(writeOf(`m v=${i} ${i}\n`))
  await drained(relay, ['a'])
  const dropped = () => outputOf(relay, 'b').droppedLines['backlog-full']
  await until(async () => dropped() > 0, { what: 'b gives up' })
  b.isUp = true
  await drained(relay, ['b'])
  const { outcomeLines } = outputOf(relay, 'b')
  assert.equal(b.stored.length, 600 - dropped())
  assert.equal(outcomeLines.delivered + outcomeLines.dropped, 600)
  assert.deepEqual(b.stored, a.stored.slice(dropped()))
  const gaps = (await readFile(join(folder, 'gaps.jsonl'), 'utf8')).trim().split('\n')
  const lines = gaps.map((gap): { lines: number; output: string; fromNs: string } =>
    JSON.parse(gap),
  )
  assert.equal(lines[0]?.output, 'b')
  assert.equal(lines[0]?.fromNs, '0')
  assert.equal(
    lines.reduce((sum, gap) => sum + gap.lines, 0),
    dropped(),
  )
  await relay[Symbol.asyncDispose]()
})

test('what nobody has stored is never given up: at the bound new writes are refused', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  for (const server of servers) server.isUp = false
  const { relay } = await openDurableRelay(folder, servers, { maxBytes: 40_000 })
  let taken = 0
  // Long, so that few of them reach the bound.
  const text = 'x'.repeat(1000)
  const isRefused = async () => {
    const { status } = await relay.accept(writeOf(`m v=${taken},text="${text}" ${taken}\n`))
    if (status === 204) taken++
    return status === 503
  }
  await until(isRefused, { what: 'the log is full' })
  assert(relay.snapshot().refusedWrites['log-full'] > 0)
  for (const server of servers) server.isUp = true
  await drained(relay, ['a', 'b'])
  // One that is down while the other has recovered gives up what that has, and nothing else.
  assert.equal(new Set(servers.flatMap(({ stored }) => stored)).size, taken)
  for (const [index, { stored }] of servers.entries()) {
    const { dropped } = outputOf(relay, index === 0 ? 'a' : 'b').outcomeLines
    assert.equal(stored.length + dropped, taken)
  }
  const isTaken = async () => (await relay.accept(writeOf('m v=1 1\n'))).status === 204
  await until(isTaken, { what: 'writes are taken again' })
  await relay[Symbol.asyncDispose]()
})

test('a new output begins at the tail, one whose cursor is lost gets what is there', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server(), new Server()]
  const [a, b, c] = servers as [Server, Server, Server]
  b.isUp = false
  const first = await openDurableRelay(folder, [a, b])
  for (let i = 0; i < 20; i++) await first.relay.accept(writeOf(`m v=${i} ${i}\n`))
  await first.relay[Symbol.asyncDispose]()
  const second = await openDurableRelay(folder, [a, b, c])
  await second.relay.accept(writeOf('m v=20 20\n'))
  await drained(second.relay, ['a', 'c'])
  assert.deepEqual(c.stored, ['m v=20 20'])
  await second.relay[Symbol.asyncDispose]()
  const cursors = join(folder, 'cursors')
  await nodeFileSystem.unlink(join(cursors, 'b.cursor'))
  assert.deepEqual(await readdir(cursors), ['a.cursor', 'c.cursor'])
  b.isUp = true
  const third = await openDurableRelay(folder, [a, b, c])
  await until(async () => b.stored.length === 21, { what: 'b has all' })
  await third.relay[Symbol.asyncDispose]()
})

test('what was there before an output is not given up for its sake, also after a restart', async (t) => {
  const folder = await temporaryFolder(t)
  const [a, b] = [new Server(), new Server()]
  const bounded = { boundBytes: 10_000 }
  a.isUp = false
  const first = await openDurableRelay(folder, [a], bounded)
  for (let i = 0; i < 200; i++) await first.relay.accept(writeOf(`m v=${i} ${i}\n`))
  await first.relay[Symbol.asyncDispose]()
  for (const from of [200, 400]) {
    const { relay, disk } = await openDurableRelay(folder, [a, b], bounded)
    for (let i = from; i < from + 200; i++) {
      await relay.accept(writeOf(`m v=${i} ${i}\n`))
      // The bounds are looked at after each save, so before the last one.
      if (i === from + 100 || i === from + 199) await saved(folder, 'b', disk)
    }
    await relay[Symbol.asyncDispose]()
  }
  a.isUp = true
  const last = await openDurableRelay(folder, [a, b], bounded)
  await until(async () => a.stored.length === 600, { what: () => `a has ${a.stored.length}` })
  assert.equal(b.stored[0], 'm v=200 200')
  await last.relay[Symbol.asyncDispose]()
})

test('after a restart it is told what is still to be read; it falls to 0, and the books are exact', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  b.isUp = false
  const first = await openDurableRelay(folder, servers)
  for (let i = 0; i < 300; i++) await first.relay.accept(writeOf(`m v=${i} ${i}\n`))
  assert.equal(outputOf(first.relay, 'b').formerLagWrites, 0, 'what it was offered is pending')
  const logBytes = first.disk.bytes
  await first.relay[Symbol.asyncDispose]()

  b.isUp = true
  b.busyWith = 'db'
  const { logger, lines } = keepingLogger()
  const { relay } = await openDurableRelay(folder, servers, { logger })
  const isSaid = () => lines.some((line) => / failed .* waiting, \d+ more on disk/.test(line))
  await until(isSaid, { what: 'some of it is read, and tried' })
  const start = outputOf(relay, 'b')
  assert.equal(start.pendingWrites + start.formerLagWrites, 300)
  assert.equal(start.acceptedLines, start.pendingLines)
  assert(start.formerLagWrites > 200, `${start.formerLagWrites} are unread`)
  const share = start.formerLagWrites / 300
  assert(Math.abs(start.formerLagBytes / logBytes - share) < 0.1, `${start.formerLagBytes} bytes`)
  assert.deepEqual(
    [outputOf(relay, 'a').formerLagWrites, outputOf(relay, 'a').formerLagBytes],
    [0, 0],
  )
  // What comes now is pending, whether or not it was read.
  for (let i = 300; i < 320; i++) await relay.accept(writeOf(`m v=${i} ${i}\n`))
  const later = outputOf(relay, 'b')
  assert.equal(later.pendingWrites + later.formerLagWrites, 320)

  let last = later.formerLagWrites
  b.verdict = async ({ writes }) => {
    const { formerLagWrites, pendingWrites } = outputOf(relay, 'b')
    assert(formerLagWrites <= last, 'it has risen')
    assert.equal(formerLagWrites + pendingWrites, 320 - b.stored.length)
    last = formerLagWrites
    for (const { body } of writes) b.stored.push(String(body).trim())
    return DELIVERED
  }
  await until(async () => b.stored.length === 320, { what: 'b has all' })
  await drained(relay, ['a', 'b'])
  const { formerLagWrites, formerLagBytes, acceptedLines } = outputOf(relay, 'b')
  assert.deepEqual([formerLagWrites, formerLagBytes, acceptedLines], [0, 0, 320])
  await relay[Symbol.asyncDispose]()
})

test('unread are the numbers that are not done; what is no write of its own goes when it is read', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [a, b] = servers as [Server, Server]
  const first = await openDurableRelay(folder, servers, { windowBytes: 1e6 })
  b.busyWith = 'y'
  for (let i = 0; i < 200; i++) {
    await first.relay.accept(writeOf(`m v=${i} ${i}\n`, i % 10 === 0 ? 'y' : 'x'))
  }
  await until(async () => b.stored.length === 180, { what: 'b has all of x' })
  // As a letter that is sent again to a alone.
  await Promise.all(
    Array.from({ length: 50 }, () => first.disk.append(writeOf('1\n'), 'a')?.result),
  )
  await first.relay[Symbol.asyncDispose]()
  b.isUp = false
  const { relay } = await openDurableRelay(folder, servers)
  await until(async () => outputOf(relay, 'b').pendingWrites > 0, { what: 'some of it is read' })
  const start = outputOf(relay, 'b')
  assert.equal(start.formerLagWrites + start.pendingWrites, 20 + 50)
  b.isUp = true
  b.busyWith = ''
  await until(async () => outputOf(relay, 'b').formerLagWrites === 0, { what: 'all is read' })
  await drained(relay, ['a', 'b'])
  assert.equal(outputOf(relay, 'b').acceptedLines, 20)
  assert.deepEqual([a.stored.length, b.stored.length], [200 + 50, 200])
  await relay[Symbol.asyncDispose]()
})

test('what is for another output only is given up by none', async (t) => {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  const [, b] = servers as [Server, Server]
  b.isUp = false
  const first = await openDurableRelay(folder, servers)
  for (let i = 0; i < 300; i++) await first.relay.accept(writeOf(`m v=${i} ${i}\n`))
  for (let i = 0; i < 20; i++) await first.disk.append(writeOf('1\n'), 'a')?.result
  for (let i = 0; i < 300; i++) await first.relay.accept(writeOf(`m v=${i} ${i}\n`))
  await first.relay[Symbol.asyncDispose]()
  const { relay } = await openDurableRelay(folder, servers, { boundBytes: 10_000 })
  const dropped = () => outputOf(relay, 'b').droppedLines['backlog-full']
  await until(async () => dropped() > 300, { what: 'b gives up' })
  b.isUp = true
  await drained(relay, ['a', 'b'])
  assert.equal(b.stored.length + dropped(), 600)
  await relay[Symbol.asyncDispose]()
})

type Step =
  | { readonly kind: 'write'; readonly count: number; readonly database: string }
  | { readonly kind: 'toggle'; readonly server: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'wait' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      count: fc.integer({ min: 1, max: 60 }),
      database: fc.constantFrom('x', 'y'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('toggle' as const), server: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'wait' as const }) },
)

test('whatever fails and restarts: every yes is on every output, each database in order', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      await play(t, steps)
    }),
    { numRuns: 60 },
  )
})

async function play(t: TestContext, steps: readonly Step[]): Promise<void> {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  let opened = await openDurableRelay(folder, servers)
  const taken: Record<string, string[]> = { x: [], y: [] }
  let number = 0
  for (const each of steps) {
    if (each.kind === 'toggle') {
      const server = servers[each.server]
      if (server) server.isUp = !server.isUp
    } else if (each.kind === 'wait') await new Promise(setImmediate)
    else if (each.kind === 'restart') {
      await opened.relay[Symbol.asyncDispose]()
      opened = await openDurableRelay(folder, servers)
    } else {
      const bodies = Array.from({ length: each.count }, () => `m v=1 ${number++}`)
      const { relay } = opened
      const statuses = await Promise.all(
        bodies.map(async (body) => {
          return (await relay.accept(writeOf(`${body}\n`, each.database))).status
        }),
      )
      assert(statuses.every((status) => status === 204))
      taken[each.database]?.push(...bodies)
    }
  }
  for (const server of servers) server.isUp = true
  const all = Object.values(taken).flat().length
  await until(async () => servers.every(({ stored }) => new Set(stored).size === all), {
    what: 'every output has all',
  })
  await drained(opened.relay, ['a', 'b'])
  for (const { stored } of servers) assertInOrder(stored, taken)
  await opened.relay[Symbol.asyncDispose]()
}

/** Sent again is allowed; what is last of each stands in the order in which it was taken. */
function assertInOrder(stored: readonly string[], taken: Record<string, string[]>): void {
  for (const bodies of Object.values(taken)) {
    const isIts = new Set(bodies)
    const lastAt = new Map<string, number>()
    for (const [at, body] of stored.entries()) if (isIts.has(body)) lastAt.set(body, at)
    const byTime = [...lastAt].sort(([, x], [, y]) => x - y).map(([body]) => body)
    assert.deepEqual(byTime, bodies)
  }
}
