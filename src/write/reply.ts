/**
 * What the client is told, before a dialect gives it its form.
 *
 * Only 204 means success on a write. A 4xx is never said of what may heal, because clients drop on
 * it.
 */

export interface Reply {
  readonly status: number
  /** The `error` text; '' on success. */
  readonly error: string
  /** Whole seconds for `Retry-After`; 0 = no such header. */
  readonly retryAfterS: number
  /** Value for `WWW-Authenticate` on a 401; '' = none. */
  readonly authenticate: string
  /** A destination's own JSON answer, passed on as it is (statements only). */
  readonly body: string
}

const PLAIN = { error: '', retryAfterS: 0, authenticate: '', body: '' }

export const STORED: Reply = { status: 204, ...PLAIN }

/** Refused for good: sending the same again would fail again. */
export function refusedReply(status: number, error: string, authenticate = ''): Reply {
  return { ...PLAIN, status, error, authenticate }
}

/** May heal: the client keeps the write and comes back after `retryAfterS`. */
export function unavailableReply(error: string, retryAfterS: number): Reply {
  return { ...PLAIN, status: 503, error, retryAfterS }
}
