import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Segment } from '../../../src/log/segments/segment.ts'
import { LOG_FOLDER } from '../../support/disk-log-fixture.ts'
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts'

/** Looks only once whatever is to happen in between has happened. */
class SlowToLook extends SimulatedFileSystem {
  meanwhile: () => Promise<void> = async () => {}

  override async look(path: string): ReturnType<SimulatedFileSystem['look']> {
    await this.meanwhile()
    return await super.look(path)
  }
}

async function openSegment(files: SlowToLook): Promise<Segment> {
  const header = { firstSequence: 1, previousFirstSequence: 0, nonce: randomBytes(16), roster: [] }
  const segment = await Segment.open({ files, folder: LOG_FOLDER, header, sizeBytes: 1e6 })
  await segment.append(Buffer.alloc(1000))
  return segment
}

test('a segment that is closed while it is looked at was not cut short', async () => {
  const files = new SlowToLook()
  const segment = await openSegment(files)
  files.meanwhile = () => segment.close()
  assert.equal(await segment.isAtItsPath(), true)
})

test('a segment that grows while it is looked at was not cut short', async () => {
  const files = new SlowToLook()
  const segment = await openSegment(files)
  files.meanwhile = () => segment.append(Buffer.alloc(200_000))
  assert.equal(await segment.isAtItsPath(), true)
})

test('a segment that somebody cuts short is seen', async () => {
  const files = new SlowToLook()
  const segment = await openSegment(files)
  files.meanwhile = () => segment.file.truncate(600)
  assert.equal(await segment.isAtItsPath(), false)
})
