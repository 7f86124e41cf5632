/** Starts a fake output as a process: sink.ts lists the kinds. */
import { join } from 'node:path'
import { Arrivals } from '../../test/support/arrivals.ts'
import { startChild } from '../../test/support/child.ts'

export type SinkTrouble = 'none' | '503' | 'hung' | 'slow'

export interface Sink extends AsyncDisposable {
  /** Base URL without a path. */
  readonly url: string
}

export async function startSink(
  trouble: SinkTrouble = 'none',
  bytesPerSecond = Number.POSITIVE_INFINITY,
): Promise<Sink> {
  const lines = new Arrivals<string>((line) => line)
  const child = await startChild({
    command: process.execPath,
    args: [join(import.meta.dirname, 'sink.ts'), trouble, String(bytesPerSecond)],
    onLine: (line) => lines.push(line),
  })
  const url = await lines.next((line) => line.startsWith('http'), 'the URL of the sink')
  return { url, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() }
}
