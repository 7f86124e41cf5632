#!/usr/bin/env node
// What has to be done before anything else is loaded. Plain, old syntax: says which Node it needs to
// one that cannot even read the rest.
import { setFlagsFromString } from 'node:v8'

const NODE_MAJOR_MIN = 24
const major = Number(process.versions.node.split('.')[0])
if (major < NODE_MAJOR_MIN) {
  process.stderr.write(
    `relay: needs Node.js ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node} (${process.execPath})\n`,
  )
  process.exit(1)
}
// Loading would make V8's young generation grow, to tens of megabytes in the end (std/v8-heap.ts).
setFlagsFromString('--semi-space-growth-factor=1')
import('../dist/main.js').catch((error) => {
  const isUnbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && String(error.url).endsWith('main.js')
  process.stderr.write(
    isUnbuilt ? 'relay: not built yet; run "npm run build"\n' : `${error.stack}\n`,
  )
  process.exit(1)
})
