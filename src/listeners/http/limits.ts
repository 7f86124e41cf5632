/**
 * The bounds of an HTTP listener that are not configured, each with what happens at it.
 *
 * Configured ones (HttpRelayConfig): `maxBodyBytes` → 413, `maxConnections` → the connection is
 * closed at once, `idleTimeoutMs`.
 */

export interface HttpLimits {
  /**
   * From a connection's first byte, or the last answer's follower's, to the end of its headers.
   * Then 408.
   */
  readonly headersTimeoutMs: number
  /**
   * Silence while a request is being received, or an answer is not being read. Then the connection
   * is closed.
   */
  readonly idleTimeoutMs: number
  /** One request in all, however steadily it trickles in. Then 408. */
  readonly requestTimeoutMs: number
  /**
   * `idle-timeout`: silence between two requests, or before the first. Then the connection is
   * closed, and nothing is said.
   */
  readonly keepAliveTimeoutMs: number
  /** How often `headersTimeoutMs` and `requestTimeoutMs` are looked at. */
  readonly timeoutCheckMs: number
  /** Request line and headers together. Beyond: 431. */
  readonly headersMaxBytes: number
  /**
   * Requests of all connections that are not answered yet. Beyond: 503. Pipelining is what can
   * reach it.
   */
  readonly inFlightMaxRequests: number
  /**
   * How long the rest of a refused body is read and thrown away, so that the client gets to read
   * the answer.
   */
  readonly lingerMs: number
  /** A statement sent to `/query`. Beyond: 413. */
  readonly queryBodyMaxBytes: number
  /** What `Symbol.asyncDispose` grants requests in flight. Then connections are cut. */
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

/**
 * Connections that the kernel may hold before we have taken them; the machine's own bound may be
 * lower.
 */
export const LISTEN_BACKLOG_CONNECTIONS = 1024

/** What a client is asked to wait after a 503 of the listener itself. */
export const RETRY_AFTER_S = 1
