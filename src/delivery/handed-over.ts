/**
 * Whether a batch is this process's to deliver: not when another one has taken the log's folder
 * over with it, since what is sent here would come behind what that has sent since.
 *
 * Limit: looked at before each request. One that is out when the process is stopped for seconds may
 * still reach its server late.
 */

import type { LogOwnership } from '../log/log-users.ts'
import type { Batch } from './batch.ts'

/** At once, as long as the log is ours for sure. Never rejects. */
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
