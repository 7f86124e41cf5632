/**
 * The process: command line in, exit code out.
 *
 * The only file that ends the process or writes to its streams, so that tests can call all other
 * code as functions.
 */

import { badUsage, help, missingConfig } from './cli/arguments/help.ts'
import { type Invocation, parseArguments } from './cli/arguments/parse-arguments.ts'
import { check } from './cli/check.ts'
import { completion } from './cli/completion.ts'
import { healthcheck } from './cli/healthcheck.ts'
import { type CommandIo, EXIT_FAILURE, type TextSink } from './cli/io.ts'
import { printExample } from './cli/print-example.ts'
import { readVersion, version } from './cli/version.ts'
import { keepYoungSmall } from './process/v8-heap.ts'
import { sleep, systemClock } from './std/clock.ts'
import { RelayError, unreachable } from './std/errors.ts'
import { printable } from './std/printable.ts'

/** Longest wait, at the end, for a reader of the printed text. */
const OUTPUT_MAX_MS = 2000

const io: CommandIo = {
  variables: process.env,
  stdout: sink(process.stdout),
  stderr: sink(process.stderr),
  version: readVersion(),
  logDescriptor: process.stdout.fd,
}

await leave(await main())

/**
 * Calls `exit`, and does not only set `exitCode`: neither a log that cannot be written nor an open
 * connection may keep the process alive.
 */
async function leave(exitCode: number): Promise<never> {
  // Node writes to a pipe in the background when the pipe is full; `exit` would cut off the rest.
  await Promise.all([process.stdout, process.stderr].map(written))
  process.exit(exitCode)
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  const limit = sleep(systemClock, OUTPUT_MAX_MS)
  const done = new Promise<void>((resolve) => stream.write('', () => resolve()))
  return Promise.race([done, limit])
}

async function main(): Promise<number> {
  try {
    return await dispatch(parseArguments(process.argv.slice(2), process.env))
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    for (const line of error.message.split('\n')) io.stderr.write(`relay: ${printable(line)}\n`)
    return EXIT_FAILURE
  }
}

async function dispatch(invocation: Invocation): Promise<number> {
  switch (invocation.kind) {
    case 'run': {
      keepYoungSmall()
      // Load the servers only here: `version` and `healthcheck` do not need them.
      const { run } = await import('./cli/run.ts')
      return run(invocation, io)
    }
    case 'quick-start': {
      keepYoungSmall()
      const { quickStart } = await import('./cli/quick-start.ts')
      return quickStart(invocation, io)
    }
    case 'check':
      return check(invocation.configPath, io)
    case 'healthcheck':
      return healthcheck(invocation.configPath, io)
    case 'dead': {
      const { dead } = await import('./cli/dead-letters/dead.ts')
      return dead(invocation, io)
    }
    case 'completion':
      return completion(invocation.shell, io)
    case 'config':
      return printExample(io)
    case 'log': {
      const { runLogCommand } = await import('./cli/log/run-log-command.ts')
      return runLogCommand(invocation.command, io)
    }
    case 'version':
      return version(io)
    case 'help':
      return help(invocation.topic, io)
    case 'missing-config':
      return missingConfig(io)
    case 'bad-usage':
      return badUsage(invocation.message, io)
    default:
      return unreachable(invocation)
  }
}

/**
 * Opens the stream at once, even for commands that do not write to it, because Node then makes a
 * pipe non-blocking. A log writer that blocks on a pipe without a reader would keep the process
 * from ending.
 */
function sink(stream: NodeJS.WriteStream): TextSink {
  // Ignore a reader that closes the pipe early (`relay config | head -1`).
  stream.on('error', () => {})
  return {
    isTerminal: stream.isTTY === true,
    write: (text) => void stream.write(text),
    drained: () => new Promise((resolve) => stream.write('', (error) => resolve(!error))),
  }
}
