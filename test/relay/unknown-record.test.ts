/**
 * A record that a newer version has written is not lost by an older one: an output stops in front
 * of it, says so, and goes on once the newer version has dealt with it.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import type { RecordContent } from '../../src/log/segments/record.ts'
import { openSegmentLog } from '../../src/log/segments/segment-log.ts'
import { contentOf, keepingLogger, silentLogger } from '../support/disk-log-fixture.ts'
import { openDurableRelay, Server, savedCursor } from '../support/durable-relay.ts'
import { outputOf, writeOf } from '../support/scripted-relay.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'

const UNKNOWN: RecordContent = {
  ...{ kind: 'carried', version: 1, kindByte: 9 },
  ...{ header: Buffer.from('of a later version'), payload: Buffer.from('x') },
}

/** A log of two outputs with a known record, an unknown one, and another known one. */
async function logWithUnknown(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t)
  const servers = [new Server(), new Server()]
  for (const server of servers) server.isUp = false
  // Its own first relay puts the outputs on the roster and their cursors at the start.
  const { relay } = await openDurableRelay(folder, servers)
  await relay.accept(writeOf('m v=1 1\n'))
  await relay[Symbol.asyncDispose]()
  const log = await openSegmentLog({
    ...{ folder, files: nodeFileSystem, randomBytes, logger: silentLogger },
    ...{ roster: ['a', 'b'], segmentBytes: 4096, sequenceAtLeast: 0, isOwner: async () => true },
  })
  for (const content of [UNKNOWN, contentOf('m v=3 3\n')]) await log.append(content)?.result
  await log[Symbol.asyncDispose]()
  return folder
}

test('an output stops at a record that it does not know, and says so', async (t) => {
  const folder = await logWithUnknown(t)
  const { logger, lines } = keepingLogger()
  const servers = [new Server(), new Server()]
  const { relay } = await openDurableRelay(folder, servers, { logger })
  const told = () => lines.filter((line) => /record 2 is of a kind that this version/.test(line))
  await until(() => told().length >= 2, { what: 'both outputs have stopped' })
  assert.deepEqual(
    servers.map(({ stored }) => stored),
    [['m v=1 1'], ['m v=1 1']],
  )
  assert.equal(outputOf(relay, 'a').isInSync, false)
  await relay.accept(writeOf('m v=4 4\n'))
  await relay[Symbol.asyncDispose]()
  assert.equal((await savedCursor(folder, 'a'))?.doneBelow, 2, 'the record is still owed')
})
