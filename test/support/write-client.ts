/**
 * One client of the relay, like an agent such as Telegraf: one kept-alive connection.
 *
 *     using client = openWriteClient(relay.url)
 *     assert.equal((await client.write('m v=1 1')).status, 204)
 */
import { Agent } from 'node:http'
import { type HttpAnswer, httpRequest } from './http-request.ts'

export interface WriteClient extends Disposable {
  /** @param query of the URL, without the `?` */
  write(lines: string, query?: string): Promise<HttpAnswer>
}

/** @param url of the relay, without a path */
export function openWriteClient(url: string, connections = 1): WriteClient {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    write: (body, query = 'db=db') =>
      httpRequest(`${url}/write?${query}`, { method: 'POST', body, agent }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}
