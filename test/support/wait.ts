/**
 * Waiting in tests: every wait has a limit and says in words what did not come.
 *
 * Wait for an event first: a promise of the part under test, `Arrivals` (arrivals.ts), `once`.
 * `until` polls and is the last resort, for what cannot tell us that it changed, such as a foreign
 * server that is still starting.
 */

/**
 * No test is decided by it: far longer than anything takes on a machine that does a hundred other
 * things, and there only so that what does not come is named.
 */
export const WAIT_LIMIT_MS = 5 * 60_000

const POLL_EVERY_MS = 20

export interface WaitOptions {
  /** What is waited for, as it stands in the failure: "influxd answers /ping". */
  readonly what: string | (() => string)
  /** Only shorter for what must not come: how busy the machine is is nobody's to know. */
  readonly limitMs?: number
}

/**
 * Last resort: asks every 20 ms until `condition` gives something true, and returns that.
 *
 * A condition that throws counts as "not yet"; its last error is the cause of the failure.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { what, limitMs = WAIT_LIMIT_MS }: WaitOptions,
): Promise<T> {
  const endsAt = performance.now() + limitMs
  let cause: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (performance.now() > endsAt) {
      throw new Error(inVain(what, limitMs), { cause })
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS))
  }
}

/** The promise itself, or a failure that says what did not come in time. */
export async function withinLimit<T>(
  promise: Promise<T>,
  { what, limitMs = WAIT_LIMIT_MS }: WaitOptions,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(inVain(what, limitMs)))
    }, limitMs)
    timer.unref() // A wait that nobody is interested in any more does not hold up the end.
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

function inVain(what: WaitOptions['what'], limitMs: number): string {
  return `waited ${limitMs} ms in vain: ${typeof what === 'string' ? what : what()}`
}
