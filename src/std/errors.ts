/**
 * The one error type for problems that the operator can fix, and the end of every exhaustive
 * switch.
 *
 * Expected results are values (see `write/outcome.ts`); a bug of ours is an assertion that stops
 * the process. Only what an operator has to change before the relay can start is a `RelayError`.
 */

export type RelayErrorCode =
  | 'RELAY_USAGE'
  | 'RELAY_CONFIG_INVALID'
  | 'RELAY_ADDRESS_IN_USE'
  | 'RELAY_ADDRESS_UNUSABLE'
  | 'RELAY_CERTIFICATE_UNREADABLE'
  | 'RELAY_OUTPUT_UNUSABLE'
  /** The log on disk, or what a tool was asked to do with it. */
  | 'RELAY_LOG_UNUSABLE'
  /** Another process has the log's folder. */
  | 'RELAY_LOG_LOCKED'
  /** The log's folder, or a part of it, is not where it was. */
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

/** Ends an exhaustive switch: a new variant is a type error here, and a loud stop if it slips. */
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

/** What to show a person of something that was thrown. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message === '' ? errorCode(error) || error.name : error.message
}
