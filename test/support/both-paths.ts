/**
 * Sends the same bytes to a listener with the fast path and to one without, and compares the
 * results.
 */
import assert from 'node:assert/strict'
import { openTestListener, type TestListener, type TestListenerOptions } from './http-fixture.ts'
import { openRawConnection, type RawResponse } from './raw-http.ts'

export interface BothPaths extends AsyncDisposable {
  readonly fast: TestListener
  readonly node: TestListener
  /**
   * Sends the pieces one by one to both, ends, and compares the stored writes and the answers.
   *
   * @throws AssertionError
   */
  agreeOn(pieces: readonly Buffer[]): Promise<void>
}

export async function openBothPaths(options: TestListenerOptions = {}): Promise<BothPaths> {
  const config = options.config ?? {}
  const fast = await openTestListener({ ...options, config: { ...config, fastPath: true } })
  const node = await openTestListener({ ...options, config: { ...config, fastPath: false } })
  return {
    fast,
    node,
    agreeOn: async (pieces) => {
      const [byFast, byNode] = await Promise.all([exchange(fast, pieces), exchange(node, pieces)])
      const sent = JSON.stringify(Buffer.concat([...pieces]).toString('latin1'))
      assert.deepEqual(byFast.writes, byNode.writes, `stored of ${sent}`)
      assert.deepEqual(byFast.answers, byNode.answers, `to ${sent}`)
    },
    [Symbol.asyncDispose]: async () => {
      await fast[Symbol.asyncDispose]()
      await node[Symbol.asyncDispose]()
    },
  }
}

interface Made {
  readonly answers: readonly RawResponse[]
  /** Target and body of each write. */
  readonly writes: readonly (readonly [string, string])[]
}

async function exchange(listener: TestListener, pieces: readonly Buffer[]): Promise<Made> {
  const before = listener.writes.items.length
  await using connection = await openRawConnection(listener.url)
  for (const piece of pieces) {
    // The listener may have closed the connection because of an earlier piece.
    await connection.send(piece).catch(() => {})
  }
  connection.endSending()
  await connection.closed
  const responses: RawResponse[] = []
  while (connection.unread.length > 0) responses.push(await connection.response())
  const writes = listener.writes.items.slice(before)
  return {
    answers: responses.map(comparable),
    writes: writes.map(({ target, body }) => [target.key, unstamped(body)] as const),
  }
}

/** Without the parts that differ from answer to answer, or that one listener may send earlier. */
function comparable({ headers, ...rest }: RawResponse): RawResponse {
  const { date, connection: _connection, 'keep-alive': _keepAlive, ...others } = headers
  const { 'request-id': id, 'x-request-id': sameId, ...compared } = others
  assert.equal(id, sameId)
  assert(date === undefined || !Number.isNaN(Date.parse(date)))
  return { ...rest, headers: compared }
}

/** Without the timestamps that the relay has added. */
function unstamped(body: Buffer): string {
  return body.toString('latin1').replaceAll(/ \d{10,19}\n/g, ' now\n')
}
