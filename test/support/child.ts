/**
 * One child process that cannot outlive its test: killed on dispose and when the test runner exits.
 *
 * Ends only the process that it started, by its own handle, never by name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { withinLimit } from './wait.ts'

/** All running children. They share one listener, because Node warns of more than ten. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Each line of standard output and standard error, as it arrives. */
  readonly onLine: (line: string) => void
}

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** Resolves when the child has ended and all its lines have been read; never rejects. */
  readonly exited: Promise<Exit>
  /** Sends the signal; does nothing when the child has ended already. */
  signal(name: NodeJS.Signals): void
}

/** Resolves once the child runs; rejects when the command cannot be started. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = watchExit(child)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', options.onLine)
  }
  await once(child, 'spawn')
  running.add(child)

  return {
    pid: child.pid ?? Number.NaN,
    exited,
    signal: (name) => child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await withinLimit(exited, { what: `process ${child.pid} ends after SIGKILL` })
    },
  }
}

function watchExit(child: ChildProcess): Promise<Exit> {
  // 'close' comes after the last byte of the output was read; 'exit' may come before.
  return new Promise((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
}
