/** Starts the counting output as a process: see counting-sink.ts. */
import { join } from 'node:path'
import { Arrivals } from '../../test/support/arrivals.ts'
import { startChild } from '../../test/support/child.ts'
import { httpRequest } from '../../test/support/http-request.ts'

/** Counts since the start of the process. */
export interface SinkCounts {
  readonly requests: number
  /** Newlines in uncompressed bodies. */
  readonly lines: number
  /** Bytes of gzip bodies. */
  readonly gzipBytes: number
  /** Requests with another encoding, whose lines are not counted. */
  readonly otherRequests: number
}

export interface CountingSink extends AsyncDisposable {
  readonly port: number
  /** Base URL without a path. */
  readonly url: string
  counts(): Promise<SinkCounts>
}

export async function startCountingSink(delayMs = 0): Promise<CountingSink> {
  const lines = new Arrivals<string>((line) => line)
  const child = await startChild({
    command: process.execPath,
    args: [join(import.meta.dirname, 'counting-sink.ts'), String(delayMs)],
    onLine: (line) => lines.push(line),
  })
  void child.exited.then(() => lines.end(new Error('the sink has ended')))
  const port = Number(await lines.next((line) => /^\d+$/.test(line), 'the port of the sink'))
  const url = `http://127.0.0.1:${port}`
  return {
    port,
    url,
    async counts() {
      const { body } = await httpRequest(`${url}/counts`)
      return JSON.parse(body)
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}
