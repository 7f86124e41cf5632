#!/usr/bin/env node
// Says which Node it needs before anything is loaded that an older one cannot even read. Plain, old syntax.
const NODE_MAJOR_MIN = 24
const major = Number(process.versions.node.split('.')[0])
if (major < NODE_MAJOR_MIN) {
  process.stderr.write(
    `relay: needs Node.js ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node} (${process.execPath})\n`,
  )
  process.exit(1)
}
import('../dist/main.js').catch((error) => {
  const isUnbuilt = error.code === 'ERR_MODULE_NOT_FOUND' && String(error.url).endsWith('main.js')
  process.stderr.write(
    isUnbuilt ? 'relay: not built yet; run "npm run build"\n' : `${error.stack}\n`,
  )
  process.exit(1)
})
