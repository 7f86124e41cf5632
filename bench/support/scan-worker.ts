/** A thread that unpacks and scans bodies, for bench/workers.ts only: the relay has none. */
import { parentPort } from 'node:worker_threads'
import { gunzipSync } from 'node:zlib'
import { scanLines } from '../../src/line-protocol/scan/scan.ts'

const options = { precision: 'ns', unsignedIntegers: false, stamp: () => '1' } as const

parentPort?.on('message', ({ packed, id }: { packed: Uint8Array; id: number }) => {
  const body = gunzipSync(packed)
  const { lineCount } = scanLines(body, options)
  // A buffer that shares its memory with others cannot be transferred.
  const own = new Uint8Array(body)
  parentPort?.postMessage({ id, body: own, lineCount }, [own.buffer])
})
