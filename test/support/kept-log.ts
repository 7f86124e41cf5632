/**
 * A log folder that another release has left, and its pending writes.
 *
 *     test/fixtures/log-folders/<release>/
 *         log/           as the process left it, but for its socket
 *         c.lp, c.lp.1   what output c had written
 *         kept.json      what has to become of it
 *
 * Made by log-folder-maker.ts. The pending writes are known from what clients wrote and servers
 * received, not from the log.
 */
import { cp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { ReceivedRequest } from './fake-influx.ts'

/** Lines of requests by database, in the order in which they came or must come. */
export type RequestLines = Readonly<Record<string, readonly string[]>>

export interface KeptLetter {
  readonly output: string
  readonly database: string
  readonly reason: string
  readonly body: string
}

export interface KeptLog {
  readonly release: string
  /** Pending writes by output. */
  readonly owed: Readonly<Record<string, RequestLines>>
  readonly letters: readonly KeptLetter[]
  readonly file: {
    /** Identity of c.lp in the cursor of output c. */
    readonly identity: string
    /** The length in the cursor; the file is longer. */
    readonly bytes: number
    /** All that c.lp and its former files must hold in the end, oldest first. */
    readonly lines: readonly string[]
  }
}

/** A request as lines that can be compared: target, credentials, and each line of the body. */
export function linesOf({ path, query, headers, body }: ReceivedRequest): string[] {
  const given = ['db', 'rp', 'precision', 'u', 'p'].flatMap((key) => query.get(key) ?? [])
  const start = [path, ...given, headers.authorization ?? ''].join(' ').trim()
  return body
    .trimEnd()
    .split('\n')
    .map((line) => `${start} | ${line}`)
}

/** The requests that a server received. A statement belongs to the database that it creates. */
export function requestLines(requests: readonly ReceivedRequest[]): RequestLines {
  const lines: Record<string, string[]> = {}
  for (const request of requests) {
    const created = /^q=CREATE%20DATABASE%20(?:%22)?(\w+)/.exec(request.body)?.[1]
    const database = created ?? request.query.get('db') ?? ''
    lines[database] = [...(lines[database] ?? []), ...linesOf(request)]
  }
  return lines
}

/** All lines of a file output, without the import format around them, oldest first. */
export async function fileLines(folder: string): Promise<string[]> {
  const ageOf = (name: string) => Number(name.split('.')[2] ?? 0)
  const names = (await readdir(folder)).filter((name) => name.startsWith('c.lp'))
  const texts = names
    .sort((x, y) => ageOf(y) - ageOf(x))
    .map((name) => readFile(join(folder, name), 'utf8'))
  const isData = (line: string) => line !== '' && !/^(#|CREATE )/.test(line)
  return (await Promise.all(texts)).join('').split('\n').filter(isData)
}

/** The JSON of a cursor, whatever release has written it. */
export async function readCursorJson(path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  return text.slice(text.indexOf('\n') + 1)
}

/**
 * Copies the folder to where the test may change it. A copied file has another identity than the
 * one in the cursor of output c, so the cursor gets the new identity.
 */
export async function copyKeptLog(from: string, to: string): Promise<KeptLog> {
  await cp(from, to, { recursive: true })
  const kept: KeptLog = JSON.parse(await readFile(join(from, 'kept.json'), 'utf8'))
  const path = join(to, 'log/cursors/c.cursor')
  const { ino, birthtimeNs } = await stat(join(to, 'c.lp'), { bigint: true })
  const json = await readCursorJson(path)
  const own = json.replace(kept.file.identity, `${ino}-${birthtimeNs}`)
  const crc = crc32(own).toString(16).padStart(8, '0')
  await writeFile(path, `line-relay cursor 1 ${crc}\n${own}`)
  return kept
}
