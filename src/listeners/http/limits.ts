/**
 * The fixed limits of an HTTP listener, and what happens when a client reaches them.
 *
 * Configurable limits (HttpRelayConfig): `maxBodyBytes` → 413, `maxConnections` → the connection is
 * closed at once, `idleTimeoutMs`.
 */

export interface HttpLimits {
  /**
   * From the first byte of a request to the end of its headers. Then 408.
   */
  readonly headersTimeoutMs: number
  /**
   * Silence while a request is being received, or while the client does not read an answer. Then
   * the connection is closed.
   */
  readonly idleTimeoutMs: number
  /** The whole time of receiving one request, however steadily its bytes arrive. Then 408. */
  readonly requestTimeoutMs: number
  /**
   * `idle-timeout`: silence between two requests, or before the first. Then the connection is
   * closed without an answer.
   */
  readonly keepAliveTimeoutMs: number
  /** Interval between two checks of `headersTimeoutMs` and `requestTimeoutMs`. */
  readonly timeoutCheckMs: number
  /** Request line and headers together. Beyond: 431. */
  readonly headersMaxBytes: number
  /**
   * Unanswered requests on all connections. Beyond: 503. Only pipelining clients can reach this
   * limit.
   */
  readonly inFlightMaxRequests: number
  /**
   * Time during which the rest of a refused body is read and discarded, so that the client can read
   * the answer before the connection closes.
   */
  readonly lingerMs: number
  /** A statement sent to `/query`. Beyond: 413. */
  readonly queryBodyMaxBytes: number
  /** Time that `Symbol.asyncDispose` gives requests in flight. Then connections are cut. */
  readonly closeTimeoutMs: number
}

export const HTTP_LIMITS: Omit<HttpLimits, 'keepAliveTimeoutMs'> = {
  headersTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  requestTimeoutMs: 600_000,
  timeoutCheckMs: 1_000,
  headersMaxBytes: 65_536,
  inFlightMaxRequests: 10_000,
  lingerMs: 1_000,
  queryBodyMaxBytes: 1_048_576,
  closeTimeoutMs: 8_000,
}

/** The `Retry-After` of a 503 that the listener itself sends. */
export const RETRY_AFTER_S = 1
