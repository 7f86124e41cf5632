/**
 * The answer to the client, before a dialect renders it.
 *
 * Only 204 means success on a write. A temporary failure never gets a 4xx, because clients drop the
 * write then.
 */

export interface Reply {
  readonly status: number
  /** The `error` text; '' on success. */
  readonly error: string
  /** Whole seconds for `Retry-After`; 0 = no such header. */
  readonly retryAfterS: number
  /** Value for `WWW-Authenticate` on a 401; '' = none. */
  readonly authenticate: string
  /** The JSON answer of a destination, passed on unchanged (statements only). */
  readonly body: string
}

const PLAIN = { error: '', retryAfterS: 0, authenticate: '', body: '' }

export const STORED: Reply = { status: 204, ...PLAIN }

/** Refused for good: the same request would fail again. */
export function refusedReply(status: number, error: string, authenticate = ''): Reply {
  return { ...PLAIN, status, error, authenticate }
}

/** A temporary failure: the client keeps the write and retries it after `retryAfterS`. */
export function unavailableReply(error: string, retryAfterS: number): Reply {
  return { ...PLAIN, status: 503, error, retryAfterS }
}
