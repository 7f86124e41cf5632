/**
 * G8: resident memory stays within `max-memory-mb` and 150 MB for the program, whatever clients and
 * outputs do.
 *
 * Method: the whole program with a small budget, and one way after the other to fill it, each with
 * a process of its own. Its peak is what the kernel says (VmHWM). While the flood still stands, and
 * at its end, the program answers.
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { freePort } from '../support/free-port.ts'
import { httpRequest } from '../support/http-request.ts'
import { BUDGET_MB, MEMORY_WAYS, type MemoryWay } from '../support/memory-ways.ts'
import { readMetrics, sumOf } from '../support/metrics.ts'
import { relayConfig, type TestRelayConfig } from '../support/relay-config.ts'
import { startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { TRIALS } from '../support/trials.ts'
import { until } from '../support/wait.ts'

const PROGRAM_MB = 150
/** Measured: from source, as tests run it, it takes so much more, for Node's type stripper. */
const SOURCE_MB = 28
const PEM = join(import.meta.dirname, '../support/pem')
/** So many equal readings in a row: nothing is received or let go of any more. */
const STILL_READINGS = 6
/** Outputs that are tried again and again never come to rest. */
const READINGS_MAX = 60

async function peakMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

async function configOf(
  way: MemoryWay,
  outputs: readonly FakeInflux[],
  paths: { readonly folder: string; readonly udpPort: number },
): Promise<TestRelayConfig> {
  const { folder, udpPort } = paths
  const { output = '', http = '', hasLog, isTls, budgetMb = BUDGET_MB } = way
  const keys = output === '' ? '' : `, ${output}`
  const lines = [http]
  if (hasLog) lines.push(`log-dir = "${join(folder, 'log')}"`)
  if (isTls) {
    const names = ['ec.crt', 'ec.key']
    const pem = await Promise.all(names.map((name) => readFile(join(PEM, name), 'utf8')))
    await writeFile(join(folder, 'both.pem'), pem.join('\n'))
    lines.push(`ssl-combined-pem = "${join(folder, 'both.pem')}"`)
  }
  return await relayConfig({
    outputs: outputs.map(({ url }) => `{ location = "${url}/write"${keys} }`),
    http: lines.join('\n'),
    top: `max-memory-mb = ${budgetMb}`,
    more: udpRelay(udpPort, outputs),
  })
}

function udpRelay(port: number, outputs: readonly FakeInflux[]): string {
  const tables = outputs.map(({ url }, index) => {
    return `{ name = "u${index}", location = "${url}/write?db=db" }`
  })
  return `[[udp]]
name = "udp"
bind-addr = "127.0.0.1:${port}"
output = [${tables.join(', ')}]`
}

async function prepare(outputs: readonly FakeInflux[], { outputs: answer = 'hang' }: MemoryWay) {
  if (answer === 'down') await Promise.all(outputs.map((each) => each.stop()))
  else if (answer === 'one-down') await outputs.at(-1)?.stop()
  else for (const each of outputs) each.answer = answer
}

/**
 * Polled, because a flood has no end that anybody could tell. The relay may close a connection for
 * lack of memory; then the reading is asked for again.
 */
async function restOf(adminUrl: string): Promise<void> {
  let before = Number.NaN
  let still = 0
  for (let count = 0; still < STILL_READINGS && count < READINGS_MAX; count++) {
    const samples = await until(() => readMetrics(adminUrl), { what: 'the metrics are answered' })
    const usedBytes = sumOf(samples, 'relay_memory_used_bytes')
    still = usedBytes === before ? still + 1 : 0
    before = usedBytes
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

for (const [name, way] of Object.entries(MEMORY_WAYS)) {
  if (!way.isOnDesks && TRIALS < 1) continue
  const limitMb = (way.budgetMb ?? BUDGET_MB) + PROGRAM_MB
  test(`${name}: no more than max-memory-mb and ${PROGRAM_MB} MB`, async (t) => {
    const folder = await temporaryFolder(t)
    await using a = await openFakeInflux()
    await using b = await openFakeInflux()
    const udpPort = await freePort()
    const config = await configOf(way, [a, b], { folder, udpPort })
    const env = way.env ?? {}
    await using relay = await startRelayProcess({ config: config.toml, env })
    await prepare([a, b], way)
    // It keeps what it is sent, and that is more than a test should.
    const forgetting = setInterval(() => a.forget(), 100).unref()
    t.after(() => clearInterval(forgetting))
    {
      using _flood = await way.run({ url: relay.url, adminUrl: config.adminUrl, udpPort })
      if (!way.isOfAdmin) await restOf(config.adminUrl)
    }
    const mb = await peakMb(relay.pid)
    t.diagnostic(`${Math.round(mb)} MB at the most`)
    assert.ok(mb <= limitMb + SOURCE_MB, `${Math.round(mb)} MB resident`)
    const scheme = way.isTls ? config.adminUrl : relay.url
    const answered = async () => (await httpRequest(`${scheme}/health`)).status > 0
    assert.ok(await until(answered, { what: '/health is answered' }))
  })
}
