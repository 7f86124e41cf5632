/**
 * Parameters in an output's location: the server would take them instead of the client's own.
 *
 * InfluxDB reads the first of two parameters of one name, and the location's stand first. The
 * originals replaced the location's query by the client's. So what a client says with each write is
 * left out here, with a warning, and the rest (`bucket`, `org`, a proxy's own) goes with every
 * request.
 */

/** Said by each write itself. */
const OF_WRITES: readonly string[] = ['db', 'rp', 'precision', 'consistency']
/** Credentials. */
const OF_USERS: readonly string[] = ['u', 'p']

export interface LocationQuery {
  /** What goes with every request, as it was written; '' = nothing. */
  readonly kept: string
  /** Names of what is left out. */
  readonly dropped: readonly string[]
  /** From `u` and `p`; a `p` alone is left out. */
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
