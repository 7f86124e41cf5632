/**
 * A file system of a few megabytes, which becomes full as a real one does (ENOSPC).
 *
 *     const disk = await openSmallDisk(t, { megabytes: 4 })
 *     if (disk === undefined) return                         skipped
 *     await startRelayProcess({ config, under: disk.under }) with `log-dir` in disk.path
 *     await disk.fill(1024)                                  all but so many bytes
 *     await disk.free()
 *
 * A tmpfs in a user namespace of its own, which no other process sees; it is removed with the test.
 * From outside, its files are in `disk.outside`.
 */
import { mkdir, open, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { errorCode } from '../../src/std/errors.ts'
import { Arrivals } from './arrivals.ts'
import { startChild } from './child.ts'
import { skipWithout } from './missing.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MEGABYTE = 1024 * 1024
const FILLER = 'filler'

export interface SmallDisk {
  /** The folder's path for programs that run `under` it. */
  readonly path: string
  /** The same folder's path for all other processes. */
  readonly outside: string
  /** The option of the same name in `RelayProcessOptions`. */
  readonly under: readonly string[]
  /** Leaves about this many bytes free. */
  fill(leftBytes: number): Promise<void>
  /** Leaves space, but no inode for a new file; needs `inodes`. */
  useUpInodes(): Promise<void>
  /** Removes the files of `fill` and `useUpInodes`. */
  free(): Promise<void>
}

/** @returns `undefined` if namespaces are not allowed: then the test is skipped */
export async function openSmallDisk(
  t: Pick<TestContext, 'after' | 'skip'>,
  { megabytes, inodes }: { readonly megabytes: number; readonly inodes?: number },
): Promise<SmallDisk | undefined> {
  const path = await temporaryFolder(t)
  const lines = new Arrivals<string>((line) => line)
  const limits = `size=${megabytes}m${inodes === undefined ? '' : `,nr_inodes=${inodes}`}`
  const mount = `mount -t tmpfs -o ${limits} tmpfs "$0" && echo mounted && exec sleep 100000`
  const holder = await startChild({
    command: 'unshare',
    args: ['-Urm', 'sh', '-c', mount, path],
    onLine: (line) => lines.push(line),
  })
  t.after(() => holder[Symbol.asyncDispose]())
  void holder.exited.then(() => lines.end(new Error('it ended')))
  try {
    await lines.first((line) => line === 'mounted', 'the small disk is mounted')
  } catch (cause) {
    const missed = 'no small disk could be mounted, so none ran full'
    skipWithout(t, `${missed}; it needs user namespaces (unshare -Urm)`, cause)
    return undefined
  }
  const outside = join(`/proc/${holder.pid}/root`, path)
  await mkdir(outside, { recursive: true })
  return {
    path,
    outside,
    under: ['nsenter', '-t', String(holder.pid), '-U', '-m', '--preserve-credentials'],
    fill: (leftBytes) => fill(outside, leftBytes),
    useUpInodes: () => useUpInodes(outside),
    async free() {
      for (const name of await readdir(outside)) {
        if (name.startsWith(FILLER)) await rm(join(outside, name))
      }
    },
  }
}

async function useUpInodes(folder: string): Promise<void> {
  for (let count = 0; ; count++) {
    try {
      await writeFile(join(folder, `${FILLER}-${count}`), '')
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error
      return
    }
  }
}

async function fill(folder: string, leftBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const file = await open(join(folder, FILLER), 'a')
  try {
    const bytes = bavail * bsize - leftBytes
    for (let done = 0; done < bytes; ) {
      const chunk = Buffer.alloc(Math.min(MEGABYTE, bytes - done), 'x')
      done += (await file.write(chunk)).bytesWritten
    }
  } catch (error) {
    // Another process has used space meanwhile: the disk is full sooner.
    if (errorCode(error) !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}
