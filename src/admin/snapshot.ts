/**
 * What the running program tells of itself: plain numbers, read on every scrape and rendered by
 * pure functions.
 */

import type { RelaySnapshot } from '../relay/snapshot.ts'

export interface ServiceSnapshot {
  readonly version: string
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly startedAtMs: number
  /** Of the wall clock, of more than a second, since the start. */
  readonly clockSteps: number
  /** Bodies in progress and backlogs in memory; see `max-memory-mb`. */
  readonly memoryUsedBytes: number
  readonly memoryLimitBytes: number
  /** A stop has begun: whoever balances load should look elsewhere. */
  readonly isStopping?: boolean
  readonly relays: readonly RelaySnapshot[]
  readonly listeners: readonly ListenerSnapshot[]
}

/**
 * Listeners count different things; each counter becomes a metric `relay_listener_<name>_total`.
 */
export interface ListenerSnapshot {
  readonly relay: string
  /** By name in camelCase, as in `refusedConnections`. */
  readonly counters: Readonly<Record<string, number>>
}
