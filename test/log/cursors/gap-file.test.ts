import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { GapFile } from '../../../src/log/cursors/gap-file.ts'
import { nodeFileSystem } from '../../../src/log/file-system.ts'
import { writeOf } from '../../support/scripted-relay.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('what several outputs give up at the same time is all on record', async (t) => {
  const folder = await temporaryFolder(t)
  const gaps = new GapFile({ files: nodeFileSystem, folder })
  const outputs = Array.from({ length: 20 }, (_, index) => `output ${index}`)
  const given = [{ sequence: 7, write: writeOf('m v=1 1\nm v=2 3\n', 'x') }]
  await Promise.all(outputs.map((output) => gaps.append(output, given, 0)))
  const lines = (await readFile(join(folder, 'gaps.jsonl'), 'utf8')).trim().split('\n')
  const records = lines.map((line): Record<string, unknown> => JSON.parse(line))
  assert.deepEqual(records.map(({ output }) => output).toSorted(), outputs.toSorted())
  assert.deepEqual(records[0], {
    ...{ time: '1970-01-01T00:00:00.000Z', output: 'output 0' },
    ...{ database: 'x', retentionPolicy: '', writes: 1, lines: 2, fromNs: '1', toNs: '3' },
    ...{ fromSequence: 7, toSequence: 7 },
  })
})

test('after one that could not be put on record the next one is', async (t) => {
  const folder = join(await temporaryFolder(t), 'later')
  const gaps = new GapFile({ files: nodeFileSystem, folder })
  const given = [{ sequence: 1, write: writeOf('m v=1 1\n') }]
  await assert.rejects(gaps.append('a', given, 0), { code: 'ENOENT' })
  await nodeFileSystem.makeFolder(folder)
  await gaps.append('a', given, 0)
  assert.match(await readFile(join(folder, 'gaps.jsonl'), 'utf8'), /^\{.*\}\n$/)
})
