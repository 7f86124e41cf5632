/**
 * Compiles wasm/ordinary-lines.ts into src/line-protocol/fast/simd-binary.ts: `npm run build:wasm`.
 *
 * The compiler's version is pinned, so that the same source gives the same bytes everywhere; a test
 * compiles again and compares.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const SOURCE = 'wasm/ordinary-lines.ts'
export const BINARY_PATH = join(ROOT, 'src/line-protocol/fast/simd-binary.ts')
// As a program: its types declare a `console` of their own for the whole project.
const COMPILER = fileURLToPath(import.meta.resolve('assemblyscript/bin/asc.js'))

// No runtime, no imports, and memory of one size: two pages, of which the source uses 83 KB.
const OPTIONS = [
  ...['--optimizeLevel', '3', '--runtime', 'stub', '--noAssert', '--enable', 'simd'],
  ...['--initialMemory', '2', '--maximumMemory', '2', '--memoryBase', '131072'],
]
const BASE64_COLUMNS = 92

/** @returns the text of `BINARY_PATH`; rejects with the compiler's words when it fails */
export async function compileBinary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'build-wasm-'))
  try {
    const path = join(folder, 'ordinary-lines.wasm')
    const command = [COMPILER, SOURCE, '--outFile', path, ...OPTIONS]
    await promisify(execFile)(process.execPath, command, { cwd: ROOT })
    return renderBinary(await readFile(path))
  } finally {
    await rm(folder, { recursive: true })
  }
}

function renderBinary(binary: Buffer): string {
  const base64 = binary.toString('base64')
  const rows: string[] = []
  for (let i = 0; i < base64.length; i += BASE64_COLUMNS) {
    rows.push(`  '${base64.slice(i, i + BASE64_COLUMNS)}',`)
  }
  return `/**
 * Made by \`npm run build:wasm\` from ${SOURCE}; do not edit.
 *
 * WebAssembly, ${binary.length} bytes. It stands here as text, so that it runs from source, from
 * \`dist\` and from the package alike, without a file to be found.
 */

export const SIMD_BINARY_BASE64 = [
${rows.join('\n')}
].join('')
`
}

if (import.meta.main) await writeFile(BINARY_PATH, await compileBinary())
