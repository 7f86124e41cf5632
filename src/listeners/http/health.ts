/**
 * `/health` in the form of InfluxDB 1.8: what a relay knows of its outputs, as one JSON object.
 * Pure.
 */

import { goJsonString } from '../dialects/v1/error-text.ts'
import { type HttpAnswer, jsonAnswer } from '../dialects/v1/reply.ts'

/** Of one relay, told to its clients; of the whole service: admin/health.ts. */
export interface RelayHealth {
  /** Writes are being taken. False → 503, so that a balancer looks elsewhere. */
  readonly isReady: boolean
  readonly outputs: readonly OutputCheck[]
}

export interface OutputCheck {
  readonly name: string
  readonly isUp: boolean
  /** Up, but still being sent what it missed; new writes wait behind that. */
  readonly isBehind: boolean
  /** Why it is down; '' while it is up. */
  readonly downCause: string
}

/** What a relay's outputs say together: it takes writes while one of them is up, even behind. */
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
