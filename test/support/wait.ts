/**
 * Waiting in tests: every wait has a limit, and names the event that did not come.
 *
 * Prefer to wait for an event: a promise of the part under test, `Arrivals` (arrivals.ts), `once`.
 * `until` polls and is the last resort, for state without an event, such as a foreign server that
 * is still starting.
 */

/**
 * The limit decides no test: it is far longer than anything takes on a busy machine, and only
 * serves to name the event that did not come.
 */
export const WAIT_LIMIT_MS = 5 * 60_000

const POLL_EVERY_MS = 20

export interface WaitOptions {
  /** The awaited event, for the failure's text: "influxd answers /ping". */
  readonly what: string | (() => string)
  /** Set a shorter limit only for an event that must not come: the machine may be busy. */
  readonly limitMs?: number
}

/**
 * Last resort: calls `condition` every 20 ms until it returns something truthy, and returns that.
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

/** The promise itself, or a failure that names the event that did not come in time. */
export async function withinLimit<T>(
  promise: Promise<T>,
  { what, limitMs = WAIT_LIMIT_MS }: WaitOptions,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(inVain(what, limitMs)))
    }, limitMs)
    timer.unref() // An abandoned wait must not keep the process alive.
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
