/**
 * Renders the answer of /health from a snapshot, in the form of InfluxDB 2, with the state of every
 * output.
 *
 * `pass` means that every HTTP relay has at least one output that is up. One output that is down is
 * the case that the relay exists for, and no reason to restart the relay. Nor is an output whose
 * full backlog has writes refused: the message warns of it.
 */

import type { OutputSnapshot } from '../delivery/reporting/output-snapshot.ts'
import type { RelaySnapshot } from '../relay/snapshot.ts'
import { renderCount } from '../std/units.ts'
import type { ServiceSnapshot } from './snapshot.ts'

const MS_PER_S = 1000

export interface ServiceHealthAnswer {
  readonly status: 200 | 503
  readonly body: HealthBody
}

/** Field names are part of the public interface, so they are not in camelCase. */
interface HealthBody {
  readonly name: string
  readonly status: 'pass' | 'fail'
  readonly message: string
  readonly version: string
  readonly relays: readonly {
    readonly name: string
    readonly outputs: readonly ReturnType<typeof outputHealth>[]
  }[]
}

export interface ReadinessAnswer {
  readonly status: 200 | 503
  readonly body: { readonly status: string; readonly message?: string }
}

/**
 * The answer of /ready: whether to send writes here. Not while it stops, nor while a log on disk
 * takes nothing; whatever the outputs do, writes have a place here otherwise, or a clear answer.
 */
export function renderReadiness({ isStopping, relays }: ServiceSnapshot): ReadinessAnswer {
  if (isStopping) return { status: 503, body: { status: 'stopping' } }
  const failing = relays.filter(hasFailingDisk)
  if (failing.length === 0) return { status: 200, body: { status: 'ready' } }
  return { status: 503, body: { status: 'failing', message: failingDiskText(failing) } }
}

export function renderServiceHealth(service: ServiceSnapshot): ServiceHealthAnswer {
  const failing = service.relays.filter(isFailing)
  const isPass = failing.length === 0
  return {
    status: isPass ? 200 : 503,
    body: {
      name: 'line-relay',
      status: isPass ? 'pass' : 'fail',
      message: failing.some(isDark)
        ? failMessage(failing.filter(isDark))
        : upMessage(service.relays),
      version: service.version,
      relays: service.relays.map(({ name, outputs }) => ({
        name,
        outputs: outputs.map(outputHealth),
      })),
    },
  }
}

function isFailing(relay: RelaySnapshot): boolean {
  return isDark(relay) || hasFailingDisk(relay)
}

function isDark({ kind, outputs }: RelaySnapshot): boolean {
  return kind === 'http' && !outputs.some(({ isUp }) => isUp)
}

/** 0.3 drops `behind`, `unread_writes` and `unread_bytes`, the names of 0.1. */
function outputHealth(output: OutputSnapshot) {
  return {
    name: output.name,
    up: output.isUp,
    in_sync: output.isInSync,
    behind: !output.isInSync,
    cause: output.downCause,
    down_for_s: output.isUp ? 0 : output.stateAgeMs / MS_PER_S,
    pending_lines: output.pendingLines,
    lag_writes: output.pendingWrites + output.formerLagWrites,
    lag_bytes: output.pendingBytes + output.formerLagBytes,
    unread_writes: output.formerLagWrites,
    unread_bytes: output.formerLagBytes,
    oldest_pending_s: output.oldestPendingAgeMs / MS_PER_S,
    backlog_full: output.isRefusing,
  }
}

function upMessage(relays: readonly RelaySnapshot[]): string {
  const outputs = relays.flatMap((relay) => relay.outputs)
  const down = relays.flatMap((relay) => {
    // Two relays may have outputs of the same name.
    const of = relays.length === 1 ? '' : ` of relay ${JSON.stringify(relay.name)}`
    return relay.outputs.flatMap(({ isUp, name }) => (isUp ? [] : [JSON.stringify(name) + of]))
  })
  const readiness = readinessOf(relays)
  if (down.length === 0) return `${readiness}; ${renderCount(outputs.length, 'output')} up`
  return `${readiness}; ${down.length} of ${outputs.length} outputs down: ${down.join(', ')}`
}

/**
 * The status covers the outputs only; whether writes are accepted also depends on `ack`, disk and
 * backlogs.
 */
function readinessOf(relays: readonly RelaySnapshot[]): string {
  const failing = relays.filter(hasFailingDisk)
  const closed = relays.filter((relay) => !relay.takesWrites && !failing.includes(relay))
  const texts = [
    ...(failing.length === 0 ? [] : [failingDiskText(failing)]),
    ...(closed.length === 0
      ? []
      : [`relay ${namesOf(closed)} answers writes 503 until enough outputs are up and up to date`]),
    ...relays.filter((relay) => relay.outputs.some(isRefusing)).map(refusingText),
  ]
  return texts.length === 0 ? 'ready for writes' : texts.join('; ')
}

function isRefusing(output: OutputSnapshot): boolean {
  return output.isRefusing
}

function refusingText(relay: RelaySnapshot): string {
  const full = namesOf(relay.outputs.filter(isRefusing))
  const what = relay.kind === 'udp' ? 'refuses datagrams' : 'answers writes 503'
  const why = `while the backlog of output ${full} is full (buffer-size-mb)`
  return `relay ${namesOf([relay])} ${what} ${why}`
}

function failingDiskText(failing: readonly RelaySnapshot[]): string {
  const answers = (relays: readonly RelaySnapshot[]) =>
    `relay ${namesOf(relays)} answers writes 503`
  const isTaken = ({ disk }: RelaySnapshot) => disk?.loss === 'taken'
  const taken = failing.filter(isTaken)
  const others = failing.filter((relay) => !isTaken(relay))
  return [
    ...(others.length === 0 ? [] : [`${answers(others)} while its log on disk cannot be written`]),
    ...(taken.length === 0
      ? []
      : [`${answers(taken)} until it is restarted: another process has its log on disk`]),
  ].join('; ')
}

function hasFailingDisk({ disk }: RelaySnapshot): boolean {
  return disk?.isFailing === true
}

function failMessage(failing: readonly RelaySnapshot[]): string {
  // With a log on disk, writes may be accepted even while no output is up.
  const closed = failing.filter((relay) => !relay.takesWrites || hasFailingDisk(relay))
  const kept = failing.filter((relay) => !closed.includes(relay))
  const texts = [
    ...(closed.length === 0 ? [] : [`${atRelays(closed)}; writes are answered 503`]),
    ...(kept.length === 0 ? [] : [`${atRelays(kept)}; writes are kept in its log on disk`]),
  ]
  return texts.join('; ')
}

function atRelays(relays: readonly RelaySnapshot[]): string {
  return `no output is up at relay ${namesOf(relays)}`
}

function namesOf(named: readonly { readonly name: string }[]): string {
  return named.map(({ name }) => JSON.stringify(name)).join(', ')
}
