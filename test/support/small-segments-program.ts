/**
 * The whole program with small segments, so that a test reaches rotation and trimming at once.
 *
 *     await startRelayProcess({ config, program: SMALL_SEGMENTS_PROGRAM })
 *
 * Nothing else differs: one constant is replaced while the source is loaded. A log can be read with
 * any segment size.
 */
import { strict as assert } from 'node:assert'
import { registerHooks } from 'node:module'

const CONSTANT = 'const SEGMENT_BYTES = 64 * 1024 * 1024\n'

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.endsWith('/src/log/segments/segment-log.ts')) return loaded
    const source = String(loaded.source)
    assert(source.includes(CONSTANT), 'the size of segments is written otherwise now')
    return { ...loaded, source: source.replace(CONSTANT, 'const SEGMENT_BYTES = 128 * 1024\n') }
  },
})

await import('../../src/main.ts')
