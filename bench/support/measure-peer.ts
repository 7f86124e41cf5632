/**
 * One round: puts a load on a running peer, and measures its CPU and what the outputs received.
 *
 * Measures until the peer is quiet again, so that its work after the answers counts as well.
 */
import { type Load, type LoadResult, openLoad, runLoad } from './load.ts'
import type { Peer, RunningPeer } from './peer-programs.ts'
import { cpuSeconds } from './process-tree.ts'
import type { CountingSink, SinkCounts } from './start-counting-sink.ts'

/** Least number of connections: with one connection the warm-up would take long. */
const WARM_UP_CONNECTIONS = 16
const WARM_UP_STEP_SECONDS = 0.25
const WARM_UP_LIMIT_MS = 2_500
/** Long enough for the peer to open all connections. */
const OPENED_QUIET_MS = 60
const POLL_MS = 20
const QUIET_LIMIT_MS = 10_000

export interface Subject {
  readonly peer: Peer
  readonly running: RunningPeer
  readonly sinks: readonly CountingSink[]
}

export interface Round {
  readonly load: LoadResult
  readonly cpuUsPerRequest: number
  /** Requests at the output that received most. */
  readonly outputRequestsPerRequest: number
  /**
   * Lines at the output that received fewest, as a share of those answered 204; NaN = not
   * countable.
   */
  readonly deliveredShare: number
}

export interface LineCount {
  readonly lines: number
  /** Length of the body as it is sent. */
  readonly bytes: number
}

/** Always a closed loop: it warms the program up and is not measured. */
export async function warmUp({ peer, running }: Subject, load: Load): Promise<void> {
  const endsAt = performance.now() + WARM_UP_LIMIT_MS
  const connections = Math.max(load.connections, WARM_UP_CONNECTIONS)
  const closed = { ...load, connections, perSecond: undefined, seconds: WARM_UP_STEP_SECONDS }
  for (let sent = 0; sent < peer.warmUpRequests && performance.now() < endsAt; ) {
    sent += (await runLoad(closed)).sent
  }
  await untilQuiet(running, peer.quietMs)
}

/** The peer must be quiet before, and is quiet afterwards. */
export async function measureRound(subject: Subject, load: Load, body: LineCount): Promise<Round> {
  const { peer, running, sinks } = subject
  using open = await openLoad(load)
  await untilQuiet(running, OPENED_QUIET_MS)
  const countsBefore = await Promise.all(sinks.map((sink) => sink.counts()))
  const cpuBefore = cpuSeconds(running.pid)
  const result = await open.run()
  await untilQuiet(running, peer.quietMs)
  const cpuUs = (cpuSeconds(running.pid) - cpuBefore) * 1e6
  const countsAfter = await Promise.all(sinks.map((sink) => sink.counts()))
  const came = countsAfter.map((after, index) => difference(after, countsBefore[index]))
  const lines = came.map((counts) => linesOf(counts, body))
  return {
    load: result,
    cpuUsPerRequest: cpuUs / result.sent,
    outputRequestsPerRequest: Math.max(...came.map(({ requests }) => requests)) / result.sent,
    deliveredShare: Math.min(...lines) / (result.stored * body.lines),
  }
}

/** Resolves when the peer has used no CPU for a while. */
async function untilQuiet({ pid }: RunningPeer, quietMs: number): Promise<void> {
  const limitAt = performance.now() + QUIET_LIMIT_MS
  let used = cpuSeconds(pid)
  let movedAt = performance.now()
  while (performance.now() - movedAt < quietMs && performance.now() < limitAt) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    const now = cpuSeconds(pid)
    if (now === used) continue
    used = now
    movedAt = performance.now()
  }
}

function difference(after: SinkCounts, before: SinkCounts | undefined): SinkCounts {
  return {
    requests: after.requests - (before?.requests ?? 0),
    lines: after.lines - (before?.lines ?? 0),
    gzipBytes: after.gzipBytes - (before?.gzipBytes ?? 0),
    otherRequests: after.otherRequests - (before?.otherRequests ?? 0),
  }
}

function linesOf(counts: SinkCounts, body: LineCount): number {
  if (counts.otherRequests > 0) return Number.NaN
  return counts.lines + (counts.gzipBytes / body.bytes) * body.lines
}
