/**
 * Metrics under the names of 0.1, for dashboards and alerts that still use them.
 *
 * They are kept for one minor version: 0.3 removes this file. `/health` has fields of the same kind
 * (health.ts).
 */

import type { RelaySnapshot } from '../relay/snapshot.ts'
import { eachOutput } from './output-metrics.ts'
import { counter, type Family, gauge } from './prometheus-text.ts'

export function formerFamilies(relays: readonly RelaySnapshot[]): Family[] {
  const each = eachOutput(relays)
  return [
    counter(
      'relay_disputed_writes_total',
      former('relay_diverged_writes_total'),
      relays.map(({ name, divergedWrites }) => ({
        labels: { relay: name },
        value: divergedWrites,
      })),
    ),
    gauge(
      'relay_output_behind',
      former('1 - relay_output_in_sync'),
      each(({ isInSync }) => Number(!isInSync)),
    ),
    gauge(
      'relay_output_unread_writes',
      former('relay_output_lag_writes - relay_output_pending_writes'),
      each(({ formerLagWrites }) => formerLagWrites),
    ),
    gauge(
      'relay_output_unread_bytes',
      former('relay_output_lag_bytes - relay_output_pending_bytes'),
      each(({ formerLagBytes }) => formerLagBytes),
    ),
  ]
}

function former(now: string): string {
  return `Name of 0.1, gone in 0.3. Now: ${now}.`
}
