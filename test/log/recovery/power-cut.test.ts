// Goal: no power cut, at whatever moment, loses a write that was acknowledged before it and that
// the output's cursor does not say is done. Method: a run on a simulated disk; for every moment of
// its trace of writes and syncs, states in which a real disk may be then (unsynced data lost, torn
// at 512 bytes, out of order; names lost before their folder was synced); each of them is opened.
// It fails as well if an answer ever comes before the sync that covers it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CursorFile } from '../../../src/log/cursors/cursor-file.ts'
import type { SegmentLog } from '../../../src/log/segments/segment-log.ts'
import { contentOf, LOG_FOLDER, openTestLog, readAll } from '../../support/disk-log-fixture.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

const SEED = 4

function randomBits(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    const mixed = Math.imul(state ^ (state >>> 15), state | 1)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Run {
  readonly files: SimulatedFileSystem
  readonly sent: ReadonlyMap<number, string>
  /** Length of the trace when it was told. */
  readonly acknowledged: readonly { readonly sequence: number; readonly at: number }[]
  readonly cursorSaves: readonly { readonly doneBelow: number; readonly at: number }[]
}

function cursorFile(files: SimulatedFileSystem): CursorFile {
  const folder = `${LOG_FOLDER}/cursors`
  return new CursorFile({ files, folder, output: 'a', isOwner: async () => true })
}

async function run(random: () => number): Promise<Run> {
  const files = new SimulatedFileSystem()
  const sent = new Map<number, string>()
  const acknowledged: { sequence: number; at: number }[] = []
  const cursorSaves: { doneBelow: number; at: number }[] = []
  const append = async (log: SegmentLog): Promise<void> => {
    const body = `${log.nextSequence} ${'x'.repeat(Math.floor(random() * 900))}`
    const appending = log.append(contentOf(body))
    assert(appending)
    sent.set(appending.sequence, body)
    assert.equal((await appending.result).kind, 'durable')
    acknowledged.push({ sequence: appending.sequence, at: files.trace.length })
  }
  for (let opening = 0; opening < 3; opening++) {
    await using log = await openTestLog(files, { segmentBytes: 4096 })
    const cursor = cursorFile(files)
    for (let round = 0; round < 8; round++) {
      await Promise.all(Array.from({ length: 1 + Math.floor(random() * 4) }, () => append(log)))
      if (round % 3 !== 2) continue
      const lastBelow = cursorSaves.at(-1)?.doneBelow ?? 0
      const doneBelow = lastBelow + Math.floor((log.nextSequence - lastBelow) * random())
      const saved = await cursor.save({
        output: 'a',
        doneBelow,
        done: [],
        files: [],
      })
      assert.equal(saved.kind, 'saved')
      cursorSaves.push({ doneBelow, at: files.trace.length })
      await log.trimBelow(doneBelow)
    }
  }
  return { files, sent, acknowledged, cursorSaves }
}

async function check(disk: SimulatedFileSystem, at: number, run: Run): Promise<void> {
  const loaded = await cursorFile(disk).load()
  assert.notEqual(loaded.kind, 'unreadable')
  const doneBelow = loaded.kind === 'loaded' ? loaded.cursor.doneBelow : 0
  const savedAny = run.cursorSaves.some((save) => save.at <= at)
  assert(loaded.kind === 'loaded' || !savedAny, `cut at ${at}: the saved cursor is gone`)
  await using log = await openTestLog(disk, { segmentBytes: 4096 })
  const read = new Map(await readAll(log))
  for (const [sequence, body] of read) assert.equal(run.sent.get(sequence), body)
  for (const { sequence, at: acknowledgedAt } of run.acknowledged) {
    if (acknowledgedAt > at) continue
    assert(sequence < doneBelow || read.has(sequence), `cut at ${at}: ${sequence} is missing`)
    assert(log.nextSequence > sequence)
  }
}

test('no power cut loses what was acknowledged before it', async () => {
  const random = randomBits(SEED)
  const done = await run(random)
  assert(done.files.trace.length > 100)
  for (let at = 0; at <= done.files.trace.length; at++) {
    const choosers = [() => false, () => true, () => random() < 0.5, () => random() < 0.9]
    for (const chooses of choosers) await check(done.files.afterPowerCut(at, chooses), at, done)
  }
})

test('no second power cut, during recovery, loses what the first has left', async () => {
  const random = randomBits(SEED)
  const done = await run(random)
  for (let at = 0; at <= done.files.trace.length; at += 3) {
    const first = done.files.afterPowerCut(at, () => random() < 0.5)
    await check(first, at, done)
    for (let again = 0; again <= first.trace.length; again++) {
      await check(
        first.afterPowerCut(again, () => random() < 0.5),
        at,
        done,
      )
    }
  }
})
