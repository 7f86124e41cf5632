import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { BINARY_PATH, compileBinary } from '../../../tools/build-wasm.ts'

test('the module in the repository is what its source compiles to, byte for byte', async () => {
  const committed = await readFile(BINARY_PATH, 'utf8')
  assert.equal(committed, await compileBinary(), 'run `npm run build:wasm`')
})
