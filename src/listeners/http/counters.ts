/**
 * Counters of an HTTP listener. Every answer and every refusal increments at least one of them.
 */

export interface HttpCounters {
  acceptedConnections: number
  /** Closed at once: `max-connections`, or no memory for a connection (`max-memory-mb`). */
  refusedConnections: number
  writeRequests: number
  /** The part of `writeRequests` that the fast path has read. */
  fastWriteRequests: number
  otherRequests: number
  /** Body bytes of writes, as sent. */
  receivedBytes: number
  /** Body bytes of writes, unpacked. */
  unpackedBytes: number
  /** Lines that InfluxDB would refuse, or that would harm InfluxDB. Never forwarded. */
  refusedLines: number
  /** Answers by class of status; `answers2xx` includes any status below 400. */
  answers2xx: number
  answers4xx: number
  answers5xx: number
  /** 413. */
  tooLargeRequests: number
  /** 503: `rate-limit`. */
  rateLimitedRequests: number
  /** 503: `max-memory-mb`. */
  memoryFullRequests: number
  /** 503: too many requests in flight. */
  tooManyRequests: number
  /** The client closed the connection before the whole body had arrived; the body is discarded. */
  abortedRequests: number
  /** Not HTTP, or a violation of HTTP, or too slow. */
  malformedRequests: number
  /** The operating system refused to accept a connection. */
  acceptErrors: number
}

export function newHttpCounters(): HttpCounters {
  return {
    acceptedConnections: 0,
    refusedConnections: 0,
    writeRequests: 0,
    fastWriteRequests: 0,
    otherRequests: 0,
    receivedBytes: 0,
    unpackedBytes: 0,
    refusedLines: 0,
    answers2xx: 0,
    answers4xx: 0,
    answers5xx: 0,
    tooLargeRequests: 0,
    rateLimitedRequests: 0,
    memoryFullRequests: 0,
    tooManyRequests: 0,
    abortedRequests: 0,
    malformedRequests: 0,
    acceptErrors: 0,
  }
}

/** Counts an answer that is about to be written, from any source. */
export function countAnswer(counters: HttpCounters, status: number): void {
  if (status < 400) counters.answers2xx++
  else if (status < 500) counters.answers4xx++
  else counters.answers5xx++
}
