/** Whatever way a client leaves, and in the middle of what, its memory goes back to the budget. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestListener } from '../../support/http-fixture.ts'
import { openRawConnection } from '../../support/raw-http.ts'
import { resetSocket } from '../../support/reset-socket.ts'
import { until } from '../../support/wait.ts'

const CONNECTIONS = 60
const HEAD = 'POST /write?db=a HTTP/1.1\r\nHost: x\r\n'
const LENGTH = 'Content-Length: 7\r\n'
const WRITE = `${HEAD}${LENGTH}\r\nm v=1 1`
const PADDING = `X: ${'y'.repeat(2000)}\r\n`
/** Answered 400 at once, with an echo of the text, which the client does not read. */
const QUERY = `GET /query?q=CREATE%20DATABASE%20x%20${'y'.repeat(4000)} HTTP/1.1\r\nHost: x\r\n\r\n`

/** What a client has sent when it leaves. */
const SENT: Readonly<Record<string, string>> = {
  'many queries': QUERY.repeat(200),
  'writes for node, pipelined': `${HEAD}${PADDING}${LENGTH}\r\nm v=1 1`.repeat(20),
  'plain writes, pipelined': WRITE.repeat(200),
  'half a head': `${HEAD}${PADDING}`,
  'half a body': `${HEAD}Content-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`,
  'half a chunked body': `${HEAD}Transfer-Encoding: chunked\r\n\r\n7\r\nm v=1 1\r\n`,
  'plain writes and then half a head': WRITE.repeat(3) + HEAD,
}

for (const [what, bytes] of Object.entries(SENT)) {
  for (const way of ['close', 'reset'] as const) {
    test(`${what}, then ${way}: nothing stays charged`, async () => {
      await using http = await openTestListener({ config: { maxConnections: 1000 } })
      const leave = async (turns: number): Promise<void> => {
        const { socket } = await openRawConnection(http.url)
        socket.pause()
        socket.write(bytes)
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
        if (way === 'close') socket.destroy()
        else resetSocket(socket)
      }
      // Some leave before anything is read, others in the middle of it.
      await Promise.all(Array.from({ length: CONNECTIONS }, (_, index) => leave(index)))
      await until(() => http.listener.snapshot().connections === 0, { what: 'all have gone' })
      await until(() => http.memory.usedBytes === 0, {
        what: () => `${http.memory.usedBytes} bytes are given back`,
        limitMs: 20_000,
      })
      assert.equal(http.listener.snapshot().requestsInFlight, 0)
    })
  }
}
