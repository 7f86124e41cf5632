/**
 * Injects faults into the system calls of a running process, with strace.
 *
 *     if (!requireStrace(t)) return
 *     await using _fault = await injectFault(relay.pid, 'fdatasync:error=EIO')
 *
 * strace counts (`when=`) by thread, and a Node process has four threads for its files: only
 * `when=1+` is reliable.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import type { TestContext } from 'node:test'
import { Arrivals } from './arrivals.ts'
import { startChild } from './child.ts'
import { skipWithout } from './missing.ts'

const STRACE = '/usr/bin/strace'

/** Whether the test can run: without strace it is skipped (missing.ts). */
export function requireStrace(t: Pick<TestContext, 'skip'>): boolean {
  try {
    accessSync(STRACE, constants.X_OK)
    execFileSync(STRACE, ['-qq', '-o', '/dev/null', 'true'])
    return true
  } catch (cause) {
    const missed = 'strace is missing or not allowed, so no fault of a disk was tried'
    skipWithout(t, `${missed}; install it: apt-get install strace`, cause)
    return false
  }
}

/**
 * Resolves when the fault is active. Disposing removes it.
 *
 * @param fault in the syntax of strace's `inject=`: `fdatasync:error=EIO`
 */
export async function injectFault(pid: number, fault: string): Promise<AsyncDisposable> {
  const lines = new Arrivals<string>((line) => line)
  const child = await startChild({
    command: STRACE,
    args: ['-f', '-p', String(pid), '-e', `trace=${fault.split(':')[0]}`, '-e', `inject=${fault}`],
    onLine: (line) => lines.push(line),
  })
  void child.exited.then(() => lines.end(new Error('strace has ended')))
  await lines.first((line) => line.includes('attached'), 'strace is attached')
  return {
    async [Symbol.asyncDispose]() {
      child.signal('SIGTERM') // strace detaches; the process continues.
      await child.exited
    },
  }
}
