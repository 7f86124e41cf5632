/**
 * The last log line of a stop: how many of the received writes were not delivered. Pure.
 *
 * The line says "everything was delivered" only if every output has stored every write that came.
 */

import type { ServiceSnapshot } from '../admin/snapshot.ts'
import { renderCount } from '../std/units.ts'

/** @param hasLeftover writes are still pending; earlier log lines said which */
export function renderStopped(service: ServiceSnapshot, hasLeftover: boolean): string {
  const losses = lossesOf(service)
  if (losses.length > 0) {
    const rest = hasLeftover ? '' : '; nothing is left to deliver'
    return `stopped${rest}; since the start: ${losses.join(', ')}`
  }
  return hasLeftover ? 'stopped' : 'stopped; everything was delivered'
}

function lossesOf({ relays, listeners }: ServiceSnapshot): readonly string[] {
  const outputs = relays.flatMap((relay) => relay.outputs)
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)
  const refusedBy = (kind: 'http' | 'udp') => {
    const refused = relays.filter((relay) => relay.kind === kind)
    return sum(refused.flatMap(({ refusedWrites }) => Object.values(refusedWrites)))
  }
  const ofListeners = (...names: readonly string[]) => {
    return sum(listeners.flatMap(({ counters }) => names.map((name) => counters[name] ?? 0)))
  }
  const ofOutcome = (kind: keyof (typeof outputs)[number]['outcomeLines']) => {
    return sum(outputs.map(({ outcomeLines }) => outcomeLines[kind]))
  }
  const ofDatagrams = listeners.filter(({ counters }) => 'receivedDatagrams' in counters)
  const badLines = sum(ofDatagrams.map(({ counters }) => counters['refusedLines'] ?? 0))
  const unavailable =
    refusedBy('http') + ofListeners('rateLimitedRequests', 'memoryFullRequests', 'tooManyRequests')
  // Not counted: drops by the stop itself and with lost log files, which have lines of their own.
  const dropped = sum(
    outputs.map(({ droppedLines: { shutdown, 'log-lost': lost, ...others } }) => {
      return sum(Object.values(others))
    }),
  )
  const lostLetters = sum(outputs.map(({ deadLetters }) => deadLetters?.removed.lost.letters ?? 0))
  return [
    [unavailable, 'write', 'answered 503'],
    [refusedBy('udp'), 'datagram', 'not taken'],
    // Bad lines over HTTP are not counted here: their clients got the error.
    [badLines, 'bad line', 'of datagrams dropped'],
    [ofListeners('systemDroppedDatagrams'), 'datagram', 'dropped by the system'],
    [ofOutcome('withdrawn'), 'line', 'answered 503 and taken back from outputs'],
    [ofOutcome('refused'), 'line', 'refused by outputs'],
    [ofOutcome('dead-lettered'), 'line', 'kept as dead letters'],
    [dropped, 'line', 'missed by outputs'],
    [lostLetters, 'dead letter', 'lost with their files'],
  ].flatMap(([count, noun, what]) => {
    return Number(count) === 0 ? [] : [`${renderCount(Number(count), String(noun))} ${what}`]
  })
}
