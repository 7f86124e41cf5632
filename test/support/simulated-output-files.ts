/** Output files on a simulated disk, beside the log. */

import type { FileStats, OutputFiles } from '../../src/destinations/file/output-files.ts'
import { type FileSystem, writeWhole } from '../../src/log/file-system.ts'
import type { SimulatedFileSystem } from './simulated-file-system.ts'

export function simulatedOutputFiles(disk: SimulatedFileSystem): OutputFiles {
  const statsOf = (file: number, bytes: number): FileStats => {
    return { identity: String(file), bytes, isRegular: true, isDevice: false }
  }
  return {
    async open(path) {
      const file = await openOrMake(disk, path)
      const number = disk.fileNumber(path)
      return {
        append: async (buffers) => writeWhole(file, Buffer.concat(buffers), await file.size()),
        read: (into, at) => file.read(into, at),
        stat: async () => statsOf(number, await file.size()),
        truncate: (bytes) => file.truncate(bytes),
        sync: () => file.sync(),
        close: () => file.close(),
      }
    },
    stat: async (path) => statsOf(disk.fileNumber(path), disk.content(path).length),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    makeFolder: async () => [],
    syncFolder: (path) => disk.syncFolder(path),
  }
}

function openOrMake(disk: SimulatedFileSystem, path: string): ReturnType<FileSystem['open']> {
  return disk.open(path, disk.names().includes(path) ? 'update' : 'create')
}
