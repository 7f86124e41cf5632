/**
 * `/health` in the form of InfluxDB 1.8: what a relay knows of its outputs, as one JSON object.
 * Pure.
 */

import { goJsonString } from './dialects/error-text.ts'
import { type HttpAnswer, jsonAnswer } from './dialects/v1.ts'

export interface HealthAnswer {
  /** Writes are being taken. False → 503, so that a balancer looks elsewhere. */
  readonly isReady: boolean
  readonly outputs: readonly OutputHealthAnswer[]
}

export interface OutputHealthAnswer {
  readonly name: string
  readonly isUp: boolean
  /** Why it is down; '' while it is up. */
  readonly downCause: string
}

/** What a relay's outputs say together: it takes writes while one of them is up. */
export function healthOfOutputs(outputs: readonly OutputHealthAnswer[]): HealthAnswer {
  return { isReady: outputs.some(({ isUp }) => isUp), outputs }
}

export function renderHealth(health: HealthAnswer, version: string): HttpAnswer {
  const checks = health.outputs.map(({ name, isUp, downCause }) => {
    const message = isUp ? 'up' : downCause || 'down'
    const texts = `"message":${goJsonString(message)},"name":${goJsonString(name)}`
    return `{${texts},"status":${status(isUp)}}`
  })
  const message = health.isReady ? 'ready for queries and writes' : 'no output is up'
  const body =
    `{"checks":[${checks.join(',')}],"message":"${message}","name":"influxdb",` +
    `"status":${status(health.isReady)},"version":${goJsonString(version)}}`
  return jsonAnswer(health.isReady ? 200 : 503, body)
}

function status(isGood: boolean): string {
  return isGood ? '"pass"' : '"fail"'
}
