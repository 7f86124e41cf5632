/** A write that the disk does not take is told to its client, and is in the books as refused. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { openDiskLog } from '../../src/log/open-disk-log.ts'
import { LOG_FOLDER, simulatedLock } from '../support/disk-log-fixture.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ScriptedDestination } from '../support/scripted-destination.ts'
import { openTestRelay, SILENT, writeOf } from '../support/scripted-relay.ts'
import { SimulatedFileSystem } from '../support/simulated-file-system.ts'

test('a write whose sync fails is answered 503, counted as refused, and not as accepted', async () => {
  const clock = new ManualClock()
  const files = new SimulatedFileSystem()
  const disk = await openDiskLog({
    ...{ files, clock, logger: SILENT, randomBytes, lock: simulatedLock },
    ...{ folder: LOG_FOLDER, outputs: [{ name: 'a', boundBytes: 1e9 }], maxBytes: 1e9 },
  })
  const { relay } = await openTestRelay([new ScriptedDestination()], { clock, disk })
  await using _ = relay
  const statusOf = async (body: string) => {
    let status = 0
    void relay.accept(writeOf(body)).then((reply) => {
      status = reply.status
    })
    while (status === 0) await clock.advance(10)
    return status
  }
  assert.equal(await statusOf('1\n'), 204)
  files.fault = (call) => (call === 'sync' || call === 'open' ? { code: 'EIO' } : undefined)
  assert.equal(await statusOf('2\n'), 503)
  const { acceptedWrites, acceptedLines, refusedWrites } = relay.snapshot()
  assert.deepEqual([acceptedWrites, acceptedLines, refusedWrites['log-failing']], [1, 1, 1])
})
