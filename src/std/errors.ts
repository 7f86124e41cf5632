/**
 * The error type for problems that the operator can fix, and the default case of every exhaustive
 * switch.
 *
 * Expected results are values (see `write/outcome.ts`), and a bug in the relay is an assertion that
 * stops the process. A `RelayError` ends a start or a command. In a running relay it is what an
 * operation on the log on disk meets when the folder is lost or another process has it
 * (log/recovery/log-loss.ts); there it is caught, logged and counted.
 */

export type RelayErrorCode =
  | 'RELAY_USAGE'
  | 'RELAY_CONFIG_INVALID'
  | 'RELAY_ADDRESS_IN_USE'
  | 'RELAY_ADDRESS_UNUSABLE'
  | 'RELAY_CERTIFICATE_UNREADABLE'
  | 'RELAY_OUTPUT_UNUSABLE'
  /** The log on disk cannot be used, or a tool cannot do what was asked with it. */
  | 'RELAY_LOG_UNUSABLE'
  /** Another process owns the log's folder. */
  | 'RELAY_LOG_LOCKED'
  /** The log's folder, or a part of it, is no longer at its path. */
  | 'RELAY_LOG_LOST'
  /** The log on disk was written by a newer version. */
  | 'RELAY_LOG_NEWER'

/** A problem the operator can fix. Branch on `code`; the message is for people and may change. */
export class RelayError extends Error {
  override readonly name = 'RelayError'
  readonly code: RelayErrorCode

  constructor(code: RelayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Ends an exhaustive switch: a missing case is a type error, and throws if it gets past that. */
export function unreachable(value: never): never {
  throw new Error(`BUG: unexpected ${JSON.stringify(value)}`)
}

/**
 * The `code` of an operating system or library error (`ECONNREFUSED`, `UND_ERR_SOCKET`, …), or ''.
 */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

/** The text that describes a thrown value to a person. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' ? errorCode(error) || error.name : error.message
}
