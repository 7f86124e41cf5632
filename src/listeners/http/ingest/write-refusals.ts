/** Replies to writes that are refused before their body is scanned. */

import { type Reply, refusedReply, unavailableReply } from '../../../write/reply.ts'
import type { TargetFault } from '../../dialects/v1/request.ts'
import { RETRY_AFTER_S } from '../limits.ts'

export const DATABASE_REQUIRED = refusedReply(400, 'database is required')
export const TOO_LARGE = refusedReply(413, 'Request Entity Too Large')
export const TARGET_REFUSALS: Readonly<Record<TargetFault, Reply>> = {
  'database-not-utf8': refusedReply(400, 'invalid database name: it is not UTF-8'),
  'policy-not-utf8': refusedReply(400, 'invalid retention policy name: it is not UTF-8'),
  'policy-with-controls': refusedReply(
    400,
    'invalid retention policy name: it has control characters',
  ),
}
export const RATE_LIMITED = unavailableReply('rate limit exceeded', RETRY_AFTER_S)
export const MEMORY_FULL = unavailableReply(
  'memory for requests is full (max-memory-mb)',
  RETRY_AFTER_S,
)
export const TOO_MANY: Reply = unavailableReply('too many requests in flight', RETRY_AFTER_S)
