/**
 * The environment of a command: every command gets it as an argument.
 *
 * Commands return their exit code and never touch the process; only `main.ts` does. So a test can
 * call a command as a function.
 */

export interface CommandIo {
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly version: VersionInfo
  /** Where log lines go: a file descriptor (1 = standard output). */
  readonly logDescriptor: number
}

export interface TextSink {
  /** Whether the text goes to a terminal. */
  readonly isTerminal: boolean
  write(text: string | Uint8Array): void
  /**
   * Resolves when all written text has left the process. A command with much output waits for it.
   * Never rejects.
   *
   * @returns false when the reader has closed the stream
   */
  drained(): Promise<boolean>
}

export interface VersionInfo {
  readonly version: string
  /** Short hash, or "unknown". */
  readonly commit: string
  /** Version of Node.js, without the v. */
  readonly node: string
}

/** The command did what was asked. */
export const EXIT_OK = 0
/** The command could not do what was asked: configuration, addresses, health. */
export const EXIT_FAILURE = 1
/** The command line was wrong; the same code as in Go's flag package. */
export const EXIT_USAGE = 2

/** Says why the command cannot do what was asked. @returns its exit code */
export function fail({ stderr }: CommandIo, text: string): number {
  stderr.write(`relay: ${text}\n`)
  return EXIT_FAILURE
}
