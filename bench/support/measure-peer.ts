/**
 * One round: a load on a running peer, and what it cost there and brought to the outputs.
 *
 * Counted until the peer is quiet again, so that what it does after its answers counts as well.
 */
import { type Load, type LoadResult, openLoad, runLoad } from './load.ts'
import type { Peer, RunningPeer } from './peer-programs.ts'
import { cpuSeconds } from './process-tree.ts'
import type { CountingSink, SinkCounts } from './start-counting-sink.ts'

/** At least so many, or with one connection it would take a long time. */
const WARM_UP_CONNECTIONS = 16
const WARM_UP_STEP_SECONDS = 0.25
const WARM_UP_LIMIT_MS = 2_500
/** Enough for what opening connections costs. */
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
  /** Of the output that got most. */
  readonly outputRequestsPerRequest: number
  /** Of the lines that were answered 204, at the output that got least; NaN: not countable. */
  readonly deliveredShare: number
}

export interface LineCount {
  readonly lines: number
  /** Of the body as it is sent. */
  readonly bytes: number
}

/** Closed loop, whatever the load is: it is for the program, not for the figures. */
export async function warmUp({ peer, running }: Subject, load: Load): Promise<void> {
  const endsAt = performance.now() + WARM_UP_LIMIT_MS
  const connections = Math.max(load.connections, WARM_UP_CONNECTIONS)
  const closed = { ...load, connections, perSecond: undefined, seconds: WARM_UP_STEP_SECONDS }
  for (let sent = 0; sent < peer.warmUpRequests && performance.now() < endsAt; ) {
    sent += (await runLoad(closed)).sent
  }
  await untilQuiet(running, peer.quietMs)
}

/** The peer has to be quiet when it begins, and is when it ends. */
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

/** It has used no CPU for a while. */
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
