/**
 * Removes from a verdict the credentials that its request carried.
 *
 * Nobody may see the output's own credentials, not even its clients. The client's credentials may
 * remain in the reply to the client, which quotes the server; they are removed from the text for
 * the operator (`why`). Where an answer is logged or stored, write/redact.ts removes them.
 */

import type { HttpOutputConfig } from '../../config/config.ts'
import { redacted } from '../../write/redact.ts'
import { type Credentials, NO_CREDENTIALS } from '../../write/write.ts'
import type { Verdict } from '../destination.ts'
import { ownAuthorization } from './request.ts'

/** The output's own secrets, which every request to it carries. */
export function ownSecrets({ credentials, paths }: HttpOutputConfig): Credentials {
  const questionAt = paths.write.indexOf('?')
  const query = questionAt < 0 ? '' : paths.write.slice(questionAt + 1)
  if (credentials === undefined) return { ...NO_CREDENTIALS, query }
  // An answer quotes the token as text. The header carries its UTF-8 bytes as latin1 instead.
  const isToken = credentials.kind === 'token'
  const authorization = isToken ? `Token ${credentials.token}` : ownAuthorization(credentials)
  return { authorization, query }
}

/** @param own the result of `ownSecrets` */
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
