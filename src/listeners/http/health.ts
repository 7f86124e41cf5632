/**
 * Renders `/health` in the form of InfluxDB 1.8: the state of a relay's outputs, as one JSON
 * object. Pure.
 */

import { goJsonString } from '../dialects/v1/error-text.ts'
import { type HttpAnswer, jsonAnswer } from '../dialects/v1/reply.ts'

/** The health of one relay, for its clients; admin/health.ts has that of the whole service. */
export interface RelayHealth {
  /** Why writes are not being taken: 503, so that a balancer looks elsewhere; '' = they are. */
  readonly fault: string
  readonly outputs: readonly OutputCheck[]
}

export interface OutputCheck {
  readonly name: string
  readonly isUp: boolean
  /** Up and not catching up; otherwise new writes wait behind the backlog. */
  readonly isInSync: boolean
  /** The reason why the output is down; '' while it is up. */
  readonly downCause: string
}

/** It takes writes while one of its outputs is up, even catching up, and its log takes them. */
export function healthOf(relay: {
  readonly outputs: readonly OutputCheck[]
  readonly disk: { readonly isFailing: boolean } | undefined
}): RelayHealth {
  const { outputs, disk } = relay
  if (disk?.isFailing === true) return { fault: 'its log on disk cannot be written', outputs }
  return { fault: outputs.some(({ isUp }) => isUp) ? '' : 'no output is up', outputs }
}

export function renderRelayHealth(health: RelayHealth, version: string): HttpAnswer {
  const checks = health.outputs.map(renderCheck)
  const isReady = health.fault === ''
  const message = isReady ? 'ready for queries and writes' : health.fault
  const body =
    `{"checks":[${checks.join(',')}],"message":"${message}","name":"influxdb",` +
    `"status":${status(isReady)},"version":${goJsonString(version)}}`
  return jsonAnswer(isReady ? 200 : 503, body)
}

function renderCheck(check: OutputCheck): string {
  const texts = `"message":${goJsonString(checkMessage(check))},"name":${goJsonString(check.name)}`
  return `{${texts},"status":${status(check.isUp)}}`
}

function checkMessage({ isUp, isInSync, downCause }: OutputCheck): string {
  if (!isUp) return downCause || 'down'
  return isInSync ? 'up' : 'up, catching up'
}

function status(isGood: boolean): string {
  return isGood ? '"pass"' : '"fail"'
}
