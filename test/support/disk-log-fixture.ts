/** Disk logs for tests: writes with different contents, and the contents of a log. */
import { randomBytes } from 'node:crypto'
import type { FileSystem } from '../../src/log/file-system.ts'
import type { FolderLock } from '../../src/log/lock/folder-lock.ts'
import type { LogRecord, RecordContent } from '../../src/log/segments/record.ts'
import {
  openSegmentLog,
  type SegmentLog,
  type SegmentLogOptions,
} from '../../src/log/segments/segment-log.ts'
import type { Logger } from '../../src/std/logger.ts'
import { NO_CREDENTIALS, writeTarget } from '../../src/write/write.ts'

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export const LOG_FOLDER = '/log'

/** The lock of a folder on a simulated disk, which no other process can use. */
export async function simulatedLock(): Promise<FolderLock> {
  return {
    state: 'ours',
    isFresh: true,
    isOwner: async () => true,
    isOwnerNow: () => true,
    isFolderThere: async () => true,
    retake: async () => '',
    async [Symbol.asyncDispose]() {},
  }
}

/** A logger that keeps its messages. */
export function keepingLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const keep = (_: unknown, text: string) => {
    lines.push(text)
  }
  return { logger: { debug: keep, info: keep, warn: keep, error: keep }, lines }
}

export function contentOf(body: string | Buffer, database = 'db'): RecordContent {
  const target = writeTarget({
    database,
    retentionPolicy: '',
    precision: 'ns',
    credentials: NO_CREDENTIALS,
  })
  const write = {
    kind: 'lines' as const,
    target,
    body: Buffer.from(body),
    lineCount: 1,
    receivedAtMs: 1_700_000_000_000,
  }
  return { kind: 'write', write, output: undefined }
}

export function bodyOf({ content }: LogRecord): string {
  return content.kind === 'write' ? content.write.body.toString() : ''
}

export function openTestLog(
  files: FileSystem,
  options: Partial<SegmentLogOptions> = {},
): Promise<SegmentLog> {
  return openSegmentLog({
    files,
    folder: LOG_FOLDER,
    logger: silentLogger,
    roster: ['a', 'b'],
    sequenceAtLeast: 0,
    randomBytes,
    isOwner: async () => true,
    ...options,
  })
}

/** Sequence number and body of all records from `fromSequence` on. */
export async function readAll(log: SegmentLog, fromSequence = 0): Promise<[number, string][]> {
  await using reader = log.openReader(fromSequence)
  const all: [number, string][] = []
  for (;;) {
    const records = await reader.read()
    if (records.length === 0) return all
    for (const record of records) all.push([record.sequence, bodyOf(record)])
  }
}

/** Appends a write and waits until it is durable. @returns its sequence number */
export async function appendDurably(log: SegmentLog, body: string | Buffer): Promise<number> {
  const appending = log.append(contentOf(body))
  const result = await appending?.result
  if (appending === undefined || result?.kind !== 'durable') {
    throw new Error(`not durable: ${JSON.stringify(result)}`)
  }
  return appending.sequence
}
