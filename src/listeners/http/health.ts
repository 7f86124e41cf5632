/**
 * Renders `/health` in the form of InfluxDB 1.8: the state of a relay's outputs, as one JSON
 * object. Pure.
 */

import { goJsonString } from '../dialects/v1/error-text.ts'
import { type HttpAnswer, jsonAnswer } from '../dialects/v1/reply.ts'

/** The health of one relay, for its clients; admin/health.ts has that of the whole service. */
export interface RelayHealth {
  /** The relay accepts writes. False → 503, so that a load balancer chooses another relay. */
  readonly isReady: boolean
  readonly outputs: readonly OutputCheck[]
}

export interface OutputCheck {
  readonly name: string
  readonly isUp: boolean
  /** Up, but catching up: new writes wait behind the backlog. */
  readonly isBehind: boolean
  /** The reason why the output is down; '' while it is up. */
  readonly downCause: string
}

/** A relay accepts writes while at least one output is up, even if that output is catching up. */
export function healthOfOutputs(outputs: readonly OutputCheck[]): RelayHealth {
  return { isReady: outputs.some(({ isUp }) => isUp), outputs }
}

export function renderRelayHealth(health: RelayHealth, version: string): HttpAnswer {
  const checks = health.outputs.map(renderCheck)
  const message = health.isReady ? 'ready for queries and writes' : 'no output is up'
  const body =
    `{"checks":[${checks.join(',')}],"message":"${message}","name":"influxdb",` +
    `"status":${status(health.isReady)},"version":${goJsonString(version)}}`
  return jsonAnswer(health.isReady ? 200 : 503, body)
}

function renderCheck(check: OutputCheck): string {
  const texts = `"message":${goJsonString(checkMessage(check))},"name":${goJsonString(check.name)}`
  return `{${texts},"status":${status(check.isUp)}}`
}

function checkMessage({ isUp, isBehind, downCause }: OutputCheck): string {
  if (!isUp) return downCause || 'down'
  return isBehind ? 'up, catching up' : 'up'
}

function status(isGood: boolean): string {
  return isGood ? '"pass"' : '"fail"'
}
