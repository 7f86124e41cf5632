/**
 * Checks whether this process may still deliver a batch. If another process took over the log's
 * folder, that process delivers the records in it, and a request from here would arrive out of
 * order.
 *
 * Limit: checked before each request. A request in flight while the process is suspended may reach
 * the server late.
 */

import type { LogOwnership } from '../log/log-callbacks.ts'
import type { Batch } from './stream/batch.ts'

/** Answers at once while the log is certainly ours. Never rejects. */
export function mayDeliver(
  batch: Batch,
  ownership: LogOwnership | undefined,
): boolean | Promise<boolean> {
  if (ownership === undefined || ownership.isOurs) return true
  return isStillOurs(batch, ownership)
}

async function isStillOurs({ slices }: Batch, ownership: LogOwnership): Promise<boolean> {
  await ownership.look()
  return !slices.some(({ delivery }) => ownership.isHandedOver(delivery.entry.sequence))
}
