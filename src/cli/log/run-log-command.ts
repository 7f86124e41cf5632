/** `relay log …`: runs one of the tools for the log on disk, and reports errors of the disk. */

import { errorCode, errorText, RelayError } from '../../std/errors.ts'
import type { CommandIo } from '../io.ts'
import { adopt } from './adopt.ts'
import { dump } from './dump.ts'
import { exportPending } from './export.ts'
import { findLog } from './find-log.ts'
import { importFile } from './import.ts'
import type { LogCommand } from './parse-log-command.ts'
import { status } from './status.ts'
import { verify } from './verify.ts'
import { viewLog } from './view-log.ts'

/** Rejects with a RelayError when the command cannot be done. @returns the exit code */
export async function runLogCommand(command: LogCommand, io: CommandIo): Promise<number> {
  try {
    return await dispatch(command, io)
  } catch (error) {
    // An error of the file system: report it without a stack trace.
    if (error instanceof RelayError || errorCode(error) === '') throw error
    throw unusable(command.kind, error)
  }
}

function unusable(kind: LogCommand['kind'], cause: unknown): RelayError {
  return new RelayError('RELAY_LOG_UNUSABLE', `log ${kind}: ${errorText(cause)}`, { cause })
}

async function dispatch(command: LogCommand, io: CommandIo): Promise<number> {
  if (command.kind === 'import') return importFile(command, io)
  const found = findLog(command.where, io)
  if (command.kind === 'adopt') return adopt(found, command, io)
  const view = await viewLog(found)
  switch (command.kind) {
    case 'status':
      return status(view, command, io)
    case 'verify':
      return verify(view, io)
    case 'dump':
      return dump(view, command, io)
    case 'export':
      return exportPending(view, command, io)
  }
}
