// Goal: at most one process has the folder, whoever is killed, stopped or begins just then.
// Method: real processes, also in pid namespaces of their own where the system lets us.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type FolderLock, lockFolder } from '../../../src/log/lock/folder-lock.ts'
import { readOwner } from '../../../src/log/lock/lock-file.ts'
import { type Clock, systemClock } from '../../../src/std/clock.ts'
import { RelayError } from '../../../src/std/errors.ts'
import { Arrivals } from '../../support/arrivals.ts'
import { type Child, startChild } from '../../support/child.ts'
import { silentLogger } from '../../support/disk-log-fixture.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/wait.ts'

const PROCESS = join(import.meta.dirname, '../../support/folder-lock-process.ts')

/** Timers fire at once: what is slow here are the waits for other machines. */
const hurriedClock: Clock = {
  ...systemClock,
  startTimer: (delayMs, fire, options) => systemClock.startTimer(delayMs / 100, fire, options),
}

/** Nobody who waits with it ever goes on: what needs no wait alone comes to its end. */
const endlessClock: Clock = {
  ...systemClock,
  startTimer: (delayMs, fire, options) =>
    options?.isBackground ? systemClock.startTimer(delayMs, fire, options) : { cancel() {} },
}

/** A wait is over once the owner has beaten, however late that is. */
function beatClock(folder: string): Clock {
  const startTimer: Clock['startTimer'] = (_, fire) => {
    const beat = () => readFile(join(folder, 'lock'), 'utf8')
    const watch = async () => {
      const before = await beat()
      await until(async () => (await beat()) !== before, { what: 'the owner beats' })
      fire()
    }
    void watch()
    return { cancel() {} }
  }
  return { ...systemClock, startTimer }
}

function lock(folder: string, options: { clock?: Clock; onLost?: () => void } = {}) {
  const { clock = systemClock, onLost = () => {} } = options
  return lockFolder({ folder, clock, logger: silentLogger, randomBytes, onLost })
}

async function assertLocked(locking: Promise<FolderLock>): Promise<void> {
  await assert.rejects(locking, (error) => {
    assert(error instanceof RelayError)
    assert.equal(error.code, 'RELAY_LOG_LOCKED')
    return true
  })
}

interface Locker {
  readonly child: Child
  readonly says: Arrivals<string>
}

async function startLocker(folder: string, wrapper: readonly string[] = []): Promise<Locker> {
  const [command = '', ...args] = [...wrapper, process.execPath, PROCESS, folder]
  const says = new Arrivals<string>((line) => line)
  const child = await startChild({ command, args, onLine: (line) => says.push(line) })
  return { child, says }
}

test('a second process is refused, and touches nothing', async (t) => {
  const folder = await temporaryFolder(t)
  await using first = await lock(folder)
  const before = await readdir(folder)
  const { child, says } = await startLocker(folder)
  await using _ = child
  assert.equal(await says.next(), 'RELAY_LOG_LOCKED')
  assert.deepEqual(await readdir(folder), before)
  assert.equal(await first.isOwner(), true)
})

test('a folder that was given back is free at once, and says so', async (t) => {
  const folder = join(await temporaryFolder(t), 'made', 'by', 'locking')
  for (let round = 0; round < 3; round++) {
    await using held = await lock(folder)
    assert.equal(await held.isOwner(), true)
    await held[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(folder), ['lock'])
    assert.equal((await readOwner(folder))?.released, true)
  }
})

test('after a kill the folder is free at once', async (t) => {
  const folder = await temporaryFolder(t)
  const { child, says } = await startLocker(folder)
  await using _ = child
  assert.equal(await says.next(), 'held')
  await assertLocked(lock(folder))
  child.signal('SIGKILL')
  await child.exited
  await using held = await lock(folder, { clock: endlessClock }) // Nothing has to be watched.
  assert.equal(await held.isOwner(), true)
  assert.equal((await readdir(folder)).length, 2, 'what the dead one left is gone')
})

test('a stopped process keeps its folder', async (t) => {
  const folder = await temporaryFolder(t)
  const { child, says } = await startLocker(folder)
  await using _ = child
  assert.equal(await says.next(), 'held')
  child.signal('SIGSTOP')
  await assertLocked(lock(folder, { clock: hurriedClock }))
  child.signal('SIGCONT')
})

test('of many that begin at once, one gets the folder at most, and one does in the end', async (t) => {
  const folder = await temporaryFolder(t)
  const tryLock = () => lock(folder, { clock: hurriedClock })
  for (let round = 0; round < 10; round++) {
    const settled = await Promise.allSettled(Array.from({ length: 6 }, tryLock))
    const held = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    assert(held.length <= 1)
    for (const each of held) await each[Symbol.asyncDispose]()
  }
  await using last = await lock(folder)
  assert.equal(await last.isOwner(), true)
})

test('processes in pid namespaces of their own see each other', async (t: TestContext) => {
  const wrapper = ['unshare', '-Upf', '--kill-child', '--mount-proc']
  const [unshare = '', ...args] = wrapper
  if (spawnSync(unshare, [...args, 'true']).status !== 0) {
    t.skip('this system lets us make no pid namespace')
    return
  }
  const folder = await temporaryFolder(t)
  const first = await startLocker(folder, wrapper)
  await using _first = first.child
  assert.equal(await first.says.next(), 'held')
  const second = await startLocker(folder, wrapper)
  await using _second = second.child
  assert.equal(await second.says.next(), 'RELAY_LOG_LOCKED')
  await assertLocked(lock(folder))
  first.child.signal('SIGKILL')
  await first.child.exited
  const third = await startLocker(folder, wrapper)
  await using _third = third.child
  assert.equal(await third.says.next(), 'held')
})

test('a folder whose path is too long for a socket is locked all the same', async (t) => {
  const folder = join(await temporaryFolder(t), 'x'.repeat(120), 'y'.repeat(120))
  await using held = await lock(folder)
  assert.equal(await held.isOwner(), true)
  if (process.platform === 'linux') {
    assert((await readdir(folder)).some((name) => name.endsWith('.sock')))
  }
  const { child, says } = await startLocker(folder)
  await using _ = child
  assert.equal(await says.next(), 'RELAY_LOG_LOCKED')
})

/** Another machine takes the folder over, as `Heartbeat.open` does. */
async function rob(folder: string, beat: number): Promise<void> {
  await writeFile(join(folder, 'lock.new'), foreignOwner(beat))
  await rename(join(folder, 'lock.new'), join(folder, 'lock'))
}

/** The heartbeat of an owner on another machine. */
function foreignOwner(beat: number): string {
  return JSON.stringify({ token: 'f'.repeat(32), boot: 'elsewhere', hasSocket: true, beat })
}

test('a heartbeat from another machine that goes on is an owner; one that stands still is none', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'lock'), foreignOwner(1))
  let beat = 1
  const beating: Clock = {
    ...hurriedClock,
    startTimer(delayMs, fire, options) {
      // It beats while it is being watched.
      return hurriedClock.startTimer(
        delayMs,
        () => void writeFile(join(folder, 'lock'), foreignOwner(++beat)).then(fire),
        options,
      )
    },
  }
  await assertLocked(lock(folder, { clock: beating }))
  assert.equal(await readFile(join(folder, 'lock'), 'utf8'), foreignOwner(beat))
  await using held = await lock(folder, { clock: hurriedClock })
  assert.equal(await held.isOwner(), true)
})

test('an owner of this machine whose socket somebody has removed is watched, not robbed', async (t) => {
  const folder = await temporaryFolder(t)
  const { child, says } = await startLocker(folder)
  await using _ = child
  assert.equal(await says.next(), 'held')
  for (const name of await readdir(folder)) {
    if (name.endsWith('.sock')) await rm(join(folder, name))
  }
  await assertLocked(lock(folder, { clock: beatClock(folder) }))
})

test('who is robbed of its folder is told within a beat, and by isOwner at once', async (t) => {
  const folder = await temporaryFolder(t)
  const lost = new Arrivals<string>((which) => which)
  const losing = (which: string) => ({ clock: hurriedClock, onLost: () => lost.push(which) })
  await using held = await lock(folder, losing('first'))
  await rob(folder, 1)
  assert.equal(await held.isOwner(), false)
  assert.equal(await lost.next(), 'first')
  await held[Symbol.asyncDispose]()
  assert.equal(await readFile(join(folder, 'lock'), 'utf8'), foreignOwner(1), 'not ours to remove')

  await rm(join(folder, 'lock'))
  await using again = await lock(folder, losing('second'))
  // On a full disk it writes into the same file.
  await writeFile(join(folder, 'lock'), foreignOwner(2))
  assert.equal(await lost.next(), 'second')
  assert.equal(await again.isOwner(), false)
})

test('a heartbeat file that is gone or broken is no other owner', async (t) => {
  const folder = await temporaryFolder(t)
  await using held = await lock(folder)
  await rm(join(folder, 'lock'))
  assert.equal(await held.isOwner(), true)
  await writeFile(join(folder, 'lock'), '{"tok')
  assert.equal(await held.isOwner(), true)
})

test('a folder that cannot be used is an error of the system, and nothing is left open', async (t) => {
  const folder = join(await temporaryFolder(t), 'file')
  await writeFile(folder, '')
  await assert.rejects(lock(folder), { code: 'EEXIST' })
  await rm(folder)
  // Something else in place of the heartbeat.
  await mkdir(join(folder, 'lock'), { recursive: true })
  await assert.rejects(lock(folder), { code: 'EISDIR' })
  assert.deepEqual(await readdir(folder), ['lock'])
})
