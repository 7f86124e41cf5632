/**
 * Keeps the log folder of a release in test/fixtures/log-folders, for later ones to open:
 *
 *     node tools/keep-log-folder.ts CHECKOUT NAME
 *
 * CHECKOUT is a working tree of the release, after its own `npm ci`. `npm run format` then lays
 * out its kept.json.
 */

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeLogFolder } from '../test/support/log-folder-maker.ts'

const [checkout = '', release = ''] = process.argv.slice(2)
if (checkout === '' || release === '') throw new Error('usage: keep-log-folder.ts CHECKOUT NAME')
const folder = join(import.meta.dirname, '../test/fixtures/log-folders', release)
await mkdir(folder, { recursive: true })
await makeLogFolder({ program: resolve(checkout, 'src/main.ts'), release, folder })
process.stdout.write(`${folder}\n`)
