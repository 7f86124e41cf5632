/**
 * The query parameters of an output's location.
 *
 * InfluxDB reads the first of two parameters of the same name, and the location's parameters come
 * first, so they would override those of the client. (The originals replaced the location's query
 * by the client's.) So this file drops, with a warning, parameters that each write brings itself,
 * and keeps the others (`bucket`, `org`, those for a proxy) for every request.
 */

/** Parameters that each write brings itself. */
const OF_WRITES: readonly string[] = ['db', 'rp', 'precision', 'consistency']
/** Parameters with credentials. */
const OF_USERS: readonly string[] = ['u', 'p']

export interface LocationQuery {
  /** The query of every request, as the location spells it; '' = none. */
  readonly kept: string
  /** Names of the parameters that are left out. */
  readonly dropped: readonly string[]
  /** From `u` and `p`; a `p` without `u` is dropped. */
  readonly user: { readonly username: string; readonly password: string } | undefined
}

/** @param query without the question mark */
export function readLocationQuery(query: string): LocationQuery {
  const parts = query.split('&').filter((part) => part !== '')
  const nameOf = (part: string) => part.split('=')[0] ?? ''
  const kept = parts.filter((part) => ![...OF_WRITES, ...OF_USERS].includes(nameOf(part)))
  const given = new URLSearchParams(query)
  const username = given.get('u')
  const user = username === null ? undefined : { username, password: given.get('p') ?? '' }
  const useless = user === undefined ? [...OF_WRITES, 'p'] : OF_WRITES
  const dropped = useless.filter((name) => parts.some((part) => nameOf(part) === name))
  return { kept: kept.join('&'), dropped, user }
}
