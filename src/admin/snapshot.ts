/**
 * The state of the running program in plain numbers, read on every scrape and rendered by pure
 * functions.
 */

import type { RelaySnapshot } from '../relay/snapshot.ts'

export interface ServiceSnapshot {
  readonly version: string
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly startedAtMs: number
  /** Steps of the wall clock by more than a second, since the start. */
  readonly clockSteps: number
  /** Bodies in progress and backlogs in memory; see `max-memory-mb`. */
  readonly memoryUsedBytes: number
  readonly memoryLimitBytes: number
  /** A stop has begun: a load balancer should choose another relay. */
  readonly isStopping?: boolean
  readonly relays: readonly RelaySnapshot[]
  readonly listeners: readonly ListenerSnapshot[]
}

/**
 * Listeners have different counters; each counter becomes a metric `relay_listener_<name>_total`.
 */
export interface ListenerSnapshot {
  readonly relay: string
  /** The keys are names in camelCase, such as `refusedConnections`. */
  readonly counters: Readonly<Record<string, number>>
}
