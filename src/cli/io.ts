/**
 * What a command may know of the world around it: all of it comes in as an argument.
 *
 * Commands return their exit code and never touch the process; only `main.ts` does. That is what
 * lets a test call a command as a function.
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
  /** Whether a person is looking at it. */
  readonly isTerminal: boolean
  write(text: string | Uint8Array): void
  /**
   * Resolves when all of it has left us. To be waited for by whoever writes much.
   *
   * @returns false when nobody reads it any more. Never rejects.
   */
  drained(): Promise<boolean>
}

export interface VersionInfo {
  readonly version: string
  /** Short hash, or "unknown". */
  readonly commit: string
  /** Of Node.js, without the v. */
  readonly node: string
}

/** Worked. */
export const EXIT_OK = 0
/** Could not do what was asked: configuration, addresses, health. */
export const EXIT_FAILURE = 1
/** The command line itself was wrong, as Go's flag package has it. */
export const EXIT_USAGE = 2
