/**
 * The operator's requests on dead letters: replay or purge them.
 *
 *     POST /dead-letters/replay?relay=NAME&output=NAME
 *     POST /dead-letters/purge?relay=NAME&output=NAME[&before-ms=MS]     since 1970
 *
 * These are the only requests of the server that change anything, so they are accepted from this
 * machine only, and not from a browser. A page of any site can send a POST to an address of this
 * machine, even through a name that was rebound to the machine, but always with an `Origin`.
 * `relay dead` sends no `Origin`.
 *
 * Not here: carrying the requests out (relay/), the server (server.ts).
 */

import type { ServiceSnapshot } from './snapshot.ts'

/** Replays every letter of the output to that output only; resolves when the log has them all. */
export type ReplayHandler = (
  relay: string,
  output: string,
) => Promise<{ readonly writes: number; readonly lines: number } | { readonly problem: string }>

/** Removes the letters that were rejected before `beforeMs` (Unix time in ms), or all letters. */
export type PurgeHandler = (
  relay: string,
  output: string,
  beforeMs: number | undefined,
) => Promise<{ readonly letters: number; readonly lines: number } | { readonly problem: string }>

export interface DeadLetterHandlers {
  readonly replay: ReplayHandler
  readonly purge: PurgeHandler
}

export interface DeadLetterRequest {
  readonly action: keyof DeadLetterHandlers
  readonly query: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, unknown>>
  /** Addresses of the socket. */
  readonly remoteAddress: string | undefined
  readonly localAddress: string | undefined
}

export interface DeadLetterAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, string | number>>
}

/** Never rejects. */
export async function answerDeadLetters(
  request: DeadLetterRequest,
  handlers: DeadLetterHandlers | undefined,
  snapshot: ServiceSnapshot,
): Promise<DeadLetterAnswer> {
  if (!isFromHere(request)) {
    return refusal(403, 'dead letters can be changed on the relay machine only, with: relay dead')
  }
  if (handlers === undefined) return refusal(409, 'no relay here has a log-dir: no dead letters')
  const { action, query } = request
  const { relay, output, 'before-ms': before } = query
  if (typeof relay !== 'string' || typeof output !== 'string') {
    return refusal(400, 'name one relay and one output: ?relay=NAME&output=NAME')
  }
  const unknown = unknownName(snapshot, relay, output)
  if (unknown !== undefined) return refusal(404, unknown)
  const beforeMs = before === undefined ? undefined : Number(before)
  // Number('') is 0: the purge would remove nothing but look successful.
  if (beforeMs !== undefined && (before === '' || !Number.isSafeInteger(beforeMs))) {
    return refusal(400, `before-ms=${String(before)} is not a whole number of milliseconds`)
  }
  try {
    const result =
      action === 'replay'
        ? await handlers.replay(relay, output)
        : await handlers.purge(relay, output, beforeMs)
    return 'problem' in result ? refusal(409, result.problem) : { status: 200, body: result }
  } catch (error) {
    return refusal(500, `BUG: ${String(error)}`)
  }
}

function isFromHere({ headers, remoteAddress = '', localAddress }: DeadLetterRequest): boolean {
  if (headers['origin'] !== undefined || headers['sec-fetch-site'] !== undefined) return false
  const isLoopback = /^(::ffff:)?127\.|^::1$/.test(remoteAddress)
  return isLoopback || (remoteAddress !== '' && remoteAddress === localAddress)
}

function unknownName(
  { relays }: ServiceSnapshot,
  relay: string,
  output: string,
): string | undefined {
  const found = relays.find(({ name }) => name === relay)
  if (found === undefined) {
    return `there is no relay "${relay}"; there are: ${list(relays)}`
  }
  if (found.outputs.some(({ name }) => name === output)) return undefined
  return `relay "${relay}" has no output "${output}"; it has: ${list(found.outputs)}`
}

function list(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => `"${name}"`).join(', ')
}

function refusal(status: number, error: string): DeadLetterAnswer {
  return { status, body: { error } }
}
