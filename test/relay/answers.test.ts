/**
 * What the client is told: decided by what the outputs say, never by which of them was faster.
 *
 * Method: two outputs, each with one of ten answers, under every policy, in both orders of arrival.
 * The answers go through the verdict table as they come from an InfluxDB 1.x.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../src/destinations/destination.ts'
import { judge } from '../../src/destinations/http/verdict.ts'
import type { AckPolicy } from '../../src/write/acks.ts'
import { ManualClock, turns } from '../support/manual-clock.ts'
import { DELIVERED, ScriptedDestination, UNREACHABLE } from '../support/scripted-destination.ts'
import { openTestRelay, writeOf } from '../support/scripted-relay.ts'

const ACK_TIMEOUT_MS = 4000

const CONFLICT =
  'field type conflict: input field "v" on measurement "m" is type float, already exists as type integer'

function answered(status: number, error: string): Verdict {
  const answer = { status, headers: {}, body: JSON.stringify({ error }) }
  return judge(answer, { dialect: 'v1', kind: 'lines', hasOwnCredentials: false, nowMs: 0 })
}

/** What an output says; `undefined` = nothing. */
const ANSWERS: Readonly<Record<string, Verdict | undefined>> = {
  204: DELIVERED,
  400: answered(400, CONFLICT),
  'partial 400': answered(400, `partial write: ${CONFLICT} dropped=1`),
  401: answered(401, 'authorization failed'),
  404: answered(404, 'database not found: "db"'),
  413: answered(413, 'Request Entity Too Large'),
  500: answered(500, 'engine trouble'),
  503: answered(503, 'request throttled'),
  hang: undefined,
  refused: UNREACHABLE,
}
const STATUS_OF_REFUSAL: Readonly<Record<string, number>> = {
  400: 400,
  'partial 400': 400,
  401: 401,
  404: 404,
  413: 413,
}

/** The rules of DESIGN section 5, in the words of two outputs. */
function expectedStatus(policy: AckPolicy, a: string, b: string): number {
  const stored = [a, b].filter((answer) => answer === '204').length
  if (stored >= (policy === 'any' ? 1 : 2)) return 204
  // What still hangs may yet store it, where that would be enough.
  if (policy === 'any' && [a, b].includes('hang')) return 503
  return STATUS_OF_REFUSAL[a] ?? STATUS_OF_REFUSAL[b] ?? 503
}

async function statusOf(
  policy: AckPolicy,
  answers: readonly [string, string],
  first: 0 | 1,
): Promise<number> {
  const clock = new ManualClock()
  const destinations = answers.map(() => new ScriptedDestination())
  const says = answers.map(() => Promise.withResolvers<Verdict>())
  for (const [index, destination] of destinations.entries()) {
    destination.verdict = (_batch, attempt) =>
      attempt === 1 && says[index] ? says[index].promise : new Promise(() => {})
  }
  const { relay } = await openTestRelay(destinations, { clock })
  const reply = relay.accept(writeOf('m v=1 1\n'), { policy })
  await turns()
  for (const index of [first, 1 - first]) {
    const verdict = ANSWERS[answers[index] ?? '']
    if (verdict !== undefined) says[index]?.resolve(verdict)
    await turns()
  }
  await clock.advance(ACK_TIMEOUT_MS)
  return (await reply).status
}

for (const policy of ['any', 'quorum', 'all'] as const) {
  test(`${policy}: the answer is the same whichever output was faster`, async () => {
    for (const a of Object.keys(ANSWERS)) {
      for (const b of Object.keys(ANSWERS)) {
        const expected = expectedStatus(policy, a, b)
        for (const first of [0, 1] as const) {
          const status = await statusOf(policy, [a, b], first)
          assert.equal(status, expected, `a: ${a}, b: ${b}, ${'ab'[first]} first`)
        }
      }
    }
  })
}

test('of two refusals the words of the output that is configured first are passed on', async () => {
  for (const policy of ['any', 'all'] as const) {
    for (const first of [0, 1] as const) {
      assert.equal(await statusOf(policy, ['404', '413'], first), 404)
      assert.equal(await statusOf(policy, ['413', '404'], first), 413)
    }
  }
})
