/**
 * Verdicts without the credentials that their request carried.
 *
 * What the output has of its own is nobody's to see, its clients included. The client's own may
 * stand in the words that go back to it, which are the server's; in what only the operator sees
 * (`why`) they do not. Where an answer is logged or kept, write/redact.ts takes them out.
 */

import type { HttpOutputConfig } from '../../config/config.ts'
import { redacted } from '../../write/redact.ts'
import { type Credentials, NO_CREDENTIALS } from '../../write/write.ts'
import type { Verdict } from '../destination.ts'
import { ownAuthorization } from './request.ts'

/** What every request to this output carries that is the output's own. */
export function ownSecrets({ credentials, paths }: HttpOutputConfig): Credentials {
  const questionAt = paths.write.indexOf('?')
  const query = questionAt < 0 ? '' : paths.write.slice(questionAt + 1)
  if (credentials === undefined) return { ...NO_CREDENTIALS, query }
  // A token as an answer quotes it, which is text: not its bytes, as they stand in a header.
  const isToken = credentials.kind === 'token'
  const authorization = isToken ? `Token ${credentials.token}` : ownAuthorization(credentials)
  return { authorization, query }
}

/** @param own as of `ownSecrets` */
export function withoutSecrets(verdict: Verdict, own: Credentials, client: Credentials): Verdict {
  if (verdict.kind === 'retry') {
    return { ...verdict, why: redacted(redacted(verdict.why, own), client) }
  }
  const hasNone = own.authorization === '' && own.query === ''
  if (hasNone || verdict.kind === 'delivered') return verdict
  const { reply } = verdict
  const { error, body } = reply
  return { ...verdict, reply: { ...reply, error: redacted(error, own), body: redacted(body, own) } }
}
