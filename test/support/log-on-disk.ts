/**
 * A log in a real folder, for tests of the tools that read one: with records, cursors, and a
 * configuration that names the folder.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Precision } from '../../src/line-protocol/precision.ts'
import { type Cursor, CursorFile } from '../../src/log/cursors/cursor-file.ts'
import { nodeFileSystem } from '../../src/log/file-system.ts'
import type { RecordContent } from '../../src/log/segments/record.ts'
import type { SegmentLog } from '../../src/log/segments/segment-log.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'
import { openTestLog } from './disk-log-fixture.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** No tool may print this. */
export const PASSWORD = 'hunter2'
export const CREDENTIALS = { authorization: `Token ${PASSWORD}`, query: `u=me&p=${PASSWORD}` }

export interface LogOnDisk {
  readonly folder: string
  readonly configPath: string
  /** The roster is a, b. Closed when the test ends, unless the test has closed it. */
  readonly log: SegmentLog
  append(content: RecordContent): Promise<number>
  saveCursor(cursor: Partial<Cursor> & Pick<Cursor, 'output' | 'doneBelow'>): Promise<void>
  cursorFile(output: string): CursorFile
}

export async function openLogOnDisk(
  t: Pick<TestContext, 'after'>,
  options: { readonly segmentBytes?: number } = {},
): Promise<LogOnDisk> {
  const top = await temporaryFolder(t)
  const folder = join(top, 'log')
  const configPath = join(top, 'relay.toml')
  await writeFile(configPath, configText([{ name: 'main', folder, outputs: ['a', 'b'] }]))
  const log = await openTestLog(nodeFileSystem, {
    ...{ folder, randomBytes, sequenceAtLeast: 1 },
    ...options,
  })
  t.after(() => log[Symbol.asyncDispose]())
  const cursorFile = (output: string) =>
    new CursorFile({
      files: nodeFileSystem,
      folder: join(folder, 'cursors'),
      output,
      isOwner: async () => true,
    })
  return {
    folder,
    configPath,
    log,
    cursorFile,
    async append(content) {
      const appending = log.append(content)
      const result = await appending?.result
      if (appending === undefined || result?.kind !== 'durable') throw new Error('not durable')
      return appending.sequence
    },
    async saveCursor(cursor) {
      const whole = { done: [], files: [], ...cursor }
      const saved = await cursorFile(cursor.output).save(whole)
      if (saved.kind === 'failed') throw saved.error
    },
  }
}

export interface RelaySection {
  readonly name: string
  readonly folder: string | undefined
  readonly outputs: readonly string[]
}

export function configText(relays: readonly RelaySection[]): string {
  return relays
    .map(({ name, folder, outputs }, index) => {
      const rows = outputs.map((output, port) => {
        return `{ name = "${output}", location = "http://127.0.0.1:${8001 + port}/write" }`
      })
      const logDir = folder === undefined ? '' : `log-dir = "${folder}"\n`
      const head = `[[http]]\nname = "${name}"\nbind-addr = "127.0.0.1:${9001 + index}"\n`
      return `${head}${logDir}output = [ ${rows.join(', ')} ]\n`
    })
    .join('\n')
}

interface WriteParts {
  readonly body: string | Buffer
  readonly kind?: 'lines' | 'statement' | 'opaque'
  readonly lineCount?: number
  readonly database?: string
  readonly retentionPolicy?: string
  readonly precision?: Precision
  readonly receivedAtMs?: number
  readonly output?: string
  readonly hasCredentials?: boolean
}

export function recordOf(parts: WriteParts): RecordContent {
  const { kind = 'lines', database = 'db', retentionPolicy = '', precision = 'ns' } = parts
  const credentials = parts.hasCredentials === false ? NO_CREDENTIALS : CREDENTIALS
  const base = {
    target: writeTarget({ database, retentionPolicy, precision, credentials }),
    body: Buffer.from(parts.body),
    lineCount: parts.lineCount ?? 1,
    receivedAtMs: parts.receivedAtMs ?? 1_700_000_000_000,
  }
  const headers = { authorization: PASSWORD }
  const write: Write = kind === 'opaque' ? { kind, headers, ...base } : { kind, ...base }
  return { kind: 'write', write, output: parts.output }
}
