/** The same bytes to a listener with the fast lane and to one without, and what each made of it. */
import assert from 'node:assert/strict'
import { openTestListener, type TestListener, type TestListenerOptions } from './http-fixture.ts'
import { openRawConnection, type RawResponse } from './raw-http.ts'

export interface Lanes extends AsyncDisposable {
  readonly fast: TestListener
  readonly node: TestListener
  /**
   * Sends the pieces one by one to both, ends, and compares what is stored, and answered.
   *
   * @param isWellFormed all of it is requests: then every single one has the same answer
   * @throws AssertionError
   */
  agreeOn(pieces: readonly Buffer[], isWellFormed: boolean): Promise<void>
}

export async function openLanes(options: TestListenerOptions = {}): Promise<Lanes> {
  const config = options.config ?? {}
  const fast = await openTestListener({ ...options, config: { ...config, fastLane: true } })
  const node = await openTestListener({ ...options, config: { ...config, fastLane: false } })
  return {
    fast,
    node,
    agreeOn: async (pieces, isWellFormed) => {
      const [byFast, byNode] = await Promise.all([exchange(fast, pieces), exchange(node, pieces)])
      const sent = JSON.stringify(Buffer.concat([...pieces]).toString('latin1'))
      assert.deepEqual(byFast.writes, byNode.writes, `stored of ${sent}`)
      if (isWellFormed) return assert.deepEqual(byFast.answers, byNode.answers, `to ${sent}`)
      // Bytes that are no request end the connection. Node says so at once, in front of answers
      // that it still owes or instead of them; the lane answers first, and lets node say it then.
      for (const [index, answer] of byFast.answers.entries()) {
        const other = byNode.answers[index]
        if (other === undefined || byFast.partings[index] || byNode.partings[index]) break
        assert.deepEqual(answer, other, `answer ${index} to ${sent}`)
      }
    },
    [Symbol.asyncDispose]: async () => {
      await fast[Symbol.asyncDispose]()
      await node[Symbol.asyncDispose]()
    },
  }
}

interface Made {
  readonly answers: readonly RawResponse[]
  /** Of each answer, whether it is node's own word on bytes that are no request. */
  readonly partings: readonly boolean[]
  /** Target and body of each write. */
  readonly writes: readonly (readonly [string, string])[]
}

async function exchange(listener: TestListener, pieces: readonly Buffer[]): Promise<Made> {
  const before = listener.writes.items.length
  await using connection = await openRawConnection(listener.url)
  for (const piece of pieces) {
    // It may have been closed for what was sent before.
    await connection.send(piece).catch(() => {})
  }
  connection.endSending()
  await connection.closed
  const responses: RawResponse[] = []
  while (connection.unread.length > 0) responses.push(await connection.response())
  const writes = listener.writes.items.slice(before)
  return {
    answers: responses.map(comparable),
    partings: responses.map(isParting),
    writes: writes.map(({ target, body }) => [target.key, unstamped(body)] as const),
  }
}

/** Of a method that is none it is a 405, as Go's. */
function isParting({ status, headers, body }: RawResponse): boolean {
  return headers['connection'] === 'close' && (body.startsWith(String(status)) || status === 405)
}

/** Without what differs from answer to answer, and what the one can say before the other. */
function comparable({ headers, ...rest }: RawResponse): RawResponse {
  const { date, connection: _connection, 'keep-alive': _keepAlive, ...others } = headers
  const { 'request-id': id, 'x-request-id': sameId, ...compared } = others
  assert.equal(id, sameId)
  assert(date === undefined || !Number.isNaN(Date.parse(date)))
  return { ...rest, headers: compared }
}

/** Without the times that the relay has given. */
function unstamped(body: Buffer): string {
  return body.toString('latin1').replaceAll(/ \d{10,19}\n/g, ' now\n')
}
