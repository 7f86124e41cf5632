/**
 * Repairs the WAL of an InfluxDB 1.x that was killed during a write.
 *
 *     await server.kill('SIGKILL')
 *     await cutTornWal(join(server.folder, 'wal'))
 *     await server.start()
 *
 * InfluxDB 1.x seeks to the end of its last WAL file before it finds the torn record there and cuts
 * it off. So its next writes follow a hole of zeros, and the start after that drops the hole and
 * everything behind it, acknowledged or not. When the torn record is cut before the start, that
 * does not happen.
 *
 * A file is a list of records: 1 byte kind, 4 bytes length (big endian), then that many bytes.
 */
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../src/std/errors.ts'

const HEAD_BYTES = 5

/** @returns how many bytes were cut off, from all files below the folder */
export async function cutTornWal(folder: string): Promise<number> {
  let cut = 0
  for (const name of await namesBelow(folder)) {
    if (!name.endsWith('.wal')) continue
    const path = join(folder, name)
    const bytes = await readFile(path)
    const length = wholeRecordsLength(bytes)
    if (length === bytes.length) continue
    await using file = await open(path, 'r+')
    await file.truncate(length)
    cut += bytes.length - length
  }
  return cut
}

/** No files if the server was killed before its first write, which makes the folder. */
async function namesBelow(folder: string): Promise<string[]> {
  try {
    return await readdir(folder, { recursive: true })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

function wholeRecordsLength(bytes: Buffer): number {
  let at = 0
  while (at + HEAD_BYTES <= bytes.length) {
    const next = at + HEAD_BYTES + bytes.readUInt32BE(at + 1)
    if (next > bytes.length) break
    at = next
  }
  return at
}
