import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { GapFile } from '../../../src/log/cursors/gap-file.ts'
import { nodeFileSystem } from '../../../src/log/file-system.ts'
import { keepingLogger } from '../../support/disk-log-fixture.ts'
import { SILENT, writeOf } from '../../support/scripted-relay.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('what several outputs give up at the same time is all on record', async (t) => {
  const folder = await temporaryFolder(t)
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger: SILENT })
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
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger: SILENT })
  const given = [{ sequence: 1, write: writeOf('m v=1 1\n') }]
  await assert.rejects(gaps.append('a', given, 0), { code: 'ENOENT' })
  await nodeFileSystem.makeFolder(folder)
  await gaps.append('a', given, 0)
  assert.match(await readFile(join(folder, 'gaps.jsonl'), 'utf8'), /^\{.*\}\n$/)
})

test('what was put on record is there again after the folder was lost; what was there before is told', async (t) => {
  const folder = join(await temporaryFolder(t), 'log')
  const path = join(folder, 'gaps.jsonl')
  const { logger, lines } = keepingLogger()
  await mkdir(folder)
  const outputsOf = async () => {
    const text = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
    return text.map((line) => /"output":"(.*?)"/.exec(line)?.[1] ?? line)
  }
  await writeFile(path, 'of a former run\n')
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger })
  const give = (output: string) =>
    gaps.append(output, [{ sequence: 1, write: writeOf('m v=1 1\n') }], 0)
  for (const output of ['a', 'b']) await give(output)
  await rename(folder, `${folder}.away`)
  await assert.rejects(give('c'), { code: 'ENOENT' })
  await rename(`${folder}.away`, folder)
  await gaps.restore()
  assert.deepEqual(await outputsOf(), ['of a former run', 'a', 'b'])
  assert.deepEqual(lines, [])

  await rm(folder, { recursive: true })
  await mkdir(folder)
  await gaps.restore()
  assert.deepEqual(await outputsOf(), ['a', 'b'])
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /gaps\.jsonl was gone.*2 gaps.*written again; those before are lost/)
  await give('c')
  assert.deepEqual(await outputsOf(), ['a', 'b', 'c'])

  // Also without a look: by whoever writes to it next.
  await truncate(path, 5)
  await give('d')
  assert.deepEqual((await outputsOf()).slice(-4), ['a', 'b', 'c', 'd'])
  assert.equal(lines.length, 2)
})

test('what is in the file before the last renaming is written again only if that file is lost too', async (t) => {
  const folder = await temporaryFolder(t)
  const path = join(folder, 'gaps.jsonl')
  const { logger, lines } = keepingLogger()
  const outputsOf = async () => {
    const text = (await readFile(path, 'utf8')).trim().split('\n')
    return text.map((line) => /"output":"(.*?)"/.exec(line)?.[1])
  }
  await writeFile(path, '')
  await truncate(path, 16 * 1024 * 1024 + 1)
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger })
  const give = (output: string) =>
    gaps.append(output, [{ sequence: 1, write: writeOf('m v=1 1\n') }], 0)
  await give('a')
  await assert.rejects(readFile(path), { code: 'ENOENT' }, 'it was renamed')
  await give('b')
  await rm(path)
  await give('c')
  assert.deepEqual(await outputsOf(), ['b', 'c'])
  assert.match(lines[0] ?? '', /the last 1 gap of this process are written again$/)
  await gaps.restore()
  assert.equal(lines.length, 1, 'nothing is missing')

  await rm(`${path}.1`)
  await rm(path)
  await gaps.restore()
  assert.deepEqual(await outputsOf(), ['a', 'b', 'c'])
  assert.match(lines[1] ?? '', /the last 3 gaps .*those before are lost/)
  await gaps.restore()
  assert.equal(lines.length, 2)
})

test('a folder that is lost right after the renaming costs no line', async (t) => {
  const folder = join(await temporaryFolder(t), 'log')
  const path = join(folder, 'gaps.jsonl')
  await mkdir(folder)
  await writeFile(path, '')
  await truncate(path, 16 * 1024 * 1024 + 1)
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger: SILENT })
  await gaps.append('a', [{ sequence: 1, write: writeOf('m v=1 1\n') }], 0)
  await rm(folder, { recursive: true })
  await mkdir(folder)
  await gaps.restore()
  assert.match(await readFile(path, 'utf8'), /^\{.*"output":"a".*\}\n$/)
})

test('a log without gaps gets no file, lost or not', async (t) => {
  const folder = await temporaryFolder(t)
  const { logger, lines } = keepingLogger()
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger })
  await gaps.restore()
  await assert.rejects(readFile(join(folder, 'gaps.jsonl')), { code: 'ENOENT' })
  assert.deepEqual(lines, [])
})

test('of more gaps than are kept in memory the last ones are written again', async (t) => {
  const folder = await temporaryFolder(t)
  const { logger, lines } = keepingLogger()
  const gaps = new GapFile({ files: nodeFileSystem, folder, logger })
  const writes = Array.from({ length: 300 }, (_, n) =>
    writeOf('m v=1 1\n', `${n}`.padEnd(1_000, 'x')),
  )
  for (const [n, write] of writes.entries()) await gaps.append('a', [{ sequence: n, write }], 0)
  await rm(join(folder, 'gaps.jsonl'))
  await gaps.restore()
  const left = (await readFile(join(folder, 'gaps.jsonl'), 'utf8')).trim().split('\n')
  assert(left.length > 100 && left.length < 300, String(left.length))
  assert.equal(JSON.parse(left.at(-1) ?? '').database, writes.at(-1)?.target.database)
  assert.match(lines[0] ?? '', new RegExp(`${left.length} gaps.*those before are lost`))
})
