/**
 * Clients in an open loop: writes begin by the clock, whether or not earlier ones are answered.
 *
 * A closed loop slows down with the server, and so hides the effects of overload.
 */
import { Agent } from 'node:http'
import { httpRequest } from './http-request.ts'

const TICK_MS = 10
const CONNECTIONS_MAX = 2_000

export interface OfferedLoad {
  /** Base URL of the relay, without a path. */
  readonly url: string
  readonly writesPerSecond: number
  readonly durationMs: number
  readonly lineOf: (index: number) => string
  /** Called for every answer. */
  readonly onAnswer?: (answer: LoadAnswer) => void
}

export interface LoadAnswer {
  readonly index: number
  /** 0 = no answer: the connection broke, or none came in time. */
  readonly status: number
  readonly retryAfter: string | undefined
  readonly waitMs: number
}

export interface LoadResult {
  readonly answers: readonly LoadAnswer[]
  readonly maxWaitMs: number
}

/** Resolves when the time is over and every write has its answer. */
export async function offerLoad(load: OfferedLoad): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX })
  const startedAt = performance.now()
  const pending: Promise<LoadAnswer>[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setInterval(() => {
    const elapsedMs = Math.min(performance.now() - startedAt, load.durationMs)
    const due = Math.floor((elapsedMs / 1000) * load.writesPerSecond)
    while (pending.length < due) pending.push(writeOne(load, pending.length, agent))
    if (elapsedMs >= load.durationMs) resolve()
  }, TICK_MS)
  await promise
  clearInterval(timer)
  const answers = await Promise.all(pending)
  agent.destroy()
  return { answers, maxWaitMs: answers.reduce((max, { waitMs }) => Math.max(max, waitMs), 0) }
}

async function writeOne(load: OfferedLoad, index: number, agent: Agent): Promise<LoadAnswer> {
  const beganAt = performance.now()
  const request = { method: 'POST', body: load.lineOf(index), agent }
  const answer = await httpRequest(`${load.url}/write?db=db`, request).catch(() => undefined)
  const result = {
    index,
    status: answer?.status ?? 0,
    retryAfter: answer?.headers['retry-after'],
    waitMs: performance.now() - beganAt,
  }
  load.onAnswer?.(result)
  return result
}
