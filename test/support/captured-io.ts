/** The input and output of a command in tests: keeps everything that was printed. */
import type { CommandIo } from '../../src/cli/io.ts'

export interface CapturedIo extends CommandIo {
  /** Everything printed so far. */
  readonly out: () => string
  readonly err: () => string
}

export function capturedIo(
  variables: Readonly<Record<string, string | undefined>> = {},
): CapturedIo {
  let out = ''
  let err = ''
  return {
    variables,
    stdout: {
      isTerminal: false,
      write: (text) => {
        out += Buffer.from(text)
      },
      drained: async () => true,
    },
    stderr: {
      isTerminal: false,
      write: (text) => {
        err += Buffer.from(text)
      },
      drained: async () => true,
    },
    version: { version: '1.2.3', commit: 'abc1234', node: '26.10.0' },
    logDescriptor: 1,
    out: () => out,
    err: () => err,
  }
}
