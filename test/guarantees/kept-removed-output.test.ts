/**
 * G5 and G8: what an output that was taken out of the configuration is owed is kept for it, within
 * a bound, and never in the way of new writes.
 *
 * Method: an output is down, then taken out; several times of what the log may hold is written;
 * then it is there again under another name, and has adopted its old place.
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments/parse-arguments.ts'
import { runLogCommand } from '../../src/cli/log/run-log-command.ts'
import { capturedIo } from '../support/captured-io.ts'
import { type FakeInflux, openFakeInflux } from '../support/fake-influx.ts'
import { readMetrics, sumOf, untilNothingPends } from '../support/metrics.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/wait.ts'
import { openWriteClient } from '../support/write-client.ts'

const MEGABYTE = 1024 * 1024
const LINE_BYTES = 4096
const BEFORE = 50
const WRITES = 800

/** As an agent does: what is answered 503 is sent again. @returns how often that was */
async function writeNumbers(relay: RelayProcess, from: number, to: number): Promise<number> {
  using client = openWriteClient(relay.url)
  const padding = 'x'.repeat(LINE_BYTES)
  let refused = 0
  for (let n = from; n < to; n++) {
    const isTaken = async () => {
      const { status } = await client.write(`m n=${n}i,s="${padding}" ${n}\n`)
      if (status !== 204) refused++
      return status === 204
    }
    await until(isTaken, { what: `write ${n} is taken` })
  }
  return refused
}

function numbersOf({ received }: FakeInflux): number[] {
  return [...received.matchAll(/ n=(\d+)i/g)].map(([, n]) => Number(n))
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

async function adopt(t: Parameters<typeof temporaryFolder>[0], toml: string): Promise<void> {
  const file = join(await temporaryFolder(t), 'relay.toml')
  await writeFile(file, toml)
  const parsed = parseArguments(['log', 'adopt', 'b', 'c', '-config', file])
  assert(parsed.kind === 'log')
  const io = capturedIo({})
  assert.equal(await runLogCommand(parsed.command, io), 0, io.err())
}

test('an output that was taken out does not stop new writes; it is kept for, told of, and gives way', async (t) => {
  const folder = await temporaryFolder(t)
  await using a = await openFakeInflux()
  await using b = await openFakeInflux()
  const http = `log-dir = "${folder}"\nlog-max-mb = 1`
  const keys = 'max-delay-interval = "200ms"'
  const down = `{ location = "${b.url}/write", ${keys} }`
  const both = await relayConfig({ outputs: [a.url, down], http })
  await b.stop()
  {
    await using relay = await startRelayProcess({ config: both.toml })
    await writeNumbers(relay, 0, BEFORE)
    await relay.kill('SIGTERM')
  }
  const without = await relayConfig({ outputs: [a.url], http })
  {
    await using relay = await startRelayProcess({ config: without.toml })
    const told = await relay.line(({ msg }) => msg.includes('"b" is not configured any more'))
    assert.deepEqual([told['output'], told['writes']], ['b', BEFORE])
    assert(Number(told['bytes']) > BEFORE * LINE_BYTES && Number(told['bytes']) < MEGABYTE)
    const refused = await writeNumbers(relay, BEFORE, WRITES)
    const samples = await untilNothingPends(without.adminUrl)
    t.diagnostic(`${refused} of ${WRITES} writes were answered 503 once`)
    const value = (name: string) => sumOf(samples, name, { output: 'b' })
    assert(value('relay_orphan_kept_bytes') < MEGABYTE)
    assert(value('relay_orphan_dropped_lines_total') > WRITES / 2)
    await relay.kill('SIGTERM')
    assert.equal(relay.logs.filter(({ level }) => level === 'error').length, 0, relay.output)
  }
  assert.deepEqual(numbersOf(a), numbers(0, WRITES))
  const gaps = (await readFile(join(folder, 'gaps.jsonl'), 'utf8')).trim().split('\n')
  const dropped = gaps.reduce((sum, line) => sum + Number(JSON.parse(line).writes), 0)

  const renamed = both.toml.replace('name = "b"', 'name = "c"')
  await adopt(t, renamed)
  await b.start()
  await using relay = await startRelayProcess({ config: renamed })
  await b.receives(` n=${WRITES - 1}i`)
  await untilNothingPends(both.adminUrl)
  assert.deepEqual(numbersOf(b), numbers(dropped, WRITES))
  assert.equal(sumOf(await readMetrics(both.adminUrl), 'relay_orphan_kept_writes'), 0)
  await relay.kill('SIGTERM')
})
