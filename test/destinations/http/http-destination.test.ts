/** What a destination makes of a request that got no answer. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { RetryVerdict, Verdict } from '../../../src/destinations/destination.ts'
import { freePort } from '../../support/free-port.ts'
import { openSender } from '../../support/http-output.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { until } from '../../support/wait.ts'

/** @param onData told of every chunk that a connection brings, as text from its beginning */
async function openServer(t: TestContext, onData: (socket: Socket, text: string) => void) {
  const server = createServer((socket) => {
    let text = ''
    socket.on('error', () => {}) // Resets are what this is about.
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      onData(socket, text)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}

type Unanswered = Pick<RetryVerdict, 'hasBegun' | 'isDown' | 'evidence'>

function check(verdict: Verdict, expected: Unanswered): void {
  assert(verdict.kind === 'retry', JSON.stringify(verdict))
  const { hasBegun, isDown, evidence } = verdict
  assert.deepEqual({ hasBegun, isDown, evidence }, expected, verdict.why)
}

const hasAll = (text: string) => text.includes('m v=1 1\n')

test('a refused connection is nothing of the data', async (t) => {
  const send = openSender(t, `http://127.0.0.1:${await freePort()}`)
  check(await send(['m v=1 1\n']), { hasBegun: false, isDown: true, evidence: 'none' })
})

test('a connection that dies under a request that was sent may have died of it', async (t) => {
  for (const end of ['resetAndDestroy', 'destroy'] as const) {
    const url = await openServer(t, (socket, text) => {
      if (hasAll(text)) socket[end]()
    })
    const verdict = await openSender(t, url)(['m v=1 1\n'])
    check(verdict, { hasBegun: true, isDown: false, evidence: 'reset' })
  }
})

test('a connection that dies before all of the request was handed over did not die of it', async (t) => {
  const url = await openServer(t, (socket) => socket.resetAndDestroy())
  const part = `m s="${'x'.repeat(4_000_000)}" 1\n`
  const verdict = await openSender(t, url)([part, part, part, part])
  check(verdict, { hasBegun: true, isDown: false, evidence: 'none' })
})

test('an answer that is no HTTP may be for the data', async (t) => {
  const url = await openServer(t, (socket, text) => {
    if (hasAll(text)) socket.end('SSH-2.0-OpenSSH_9\r\n\r\n')
  })
  const verdict = await openSender(t, url)(['m v=1 1\n'])
  check(verdict, { hasBegun: true, isDown: false, evidence: 'error' })
})

test('a request that is given up while the server lives is no word on its data', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const url = await openServer(t, (socket, text) => {
    if (text.startsWith('GET /ping')) socket.end('HTTP/1.1 204 No Content\r\n\r\n')
    if (hasAll(text)) arrived.resolve()
  })
  const clock = new ManualClock()
  const sending = openSender(t, url, { timeoutMs: 20 }, clock)(['m v=1 1\n'])
  await arrived.promise
  let verdict: Verdict | undefined
  void sending.then((given) => {
    verdict = given
  })
  const isToDrop = async () => {
    await clock.advance(20)
    return verdict !== undefined
  }
  await until(isToDrop, { what: 'the request is given up' })
  check(await sending, { hasBegun: true, isDown: false, evidence: 'none' })
})
