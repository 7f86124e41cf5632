/**
 * One relay with scripted destinations, all of them HTTP outputs named a, b, …
 *
 *     const { relay } = await openTestRelay([new ScriptedDestination(), …])
 *     assert.equal((await relay.accept(writeOf('m v=1 1\n'))).status, 204)
 */
import assert from 'node:assert/strict'
import type { HttpOutputConfig, HttpRelayConfig, OutputConfig } from '../../src/config/config.ts'
import type { DeadLetters } from '../../src/dead-letters/store.ts'
import type { OutputSnapshot } from '../../src/delivery/reporting/output-snapshot.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import type { DiskLog } from '../../src/log/disk-log.ts'
import { openRelay } from '../../src/relay/open-relay.ts'
import type { Relay } from '../../src/relay/relay.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import type { Logger } from '../../src/std/logger.ts'
import type { MemoryBudget } from '../../src/std/memory-budget.ts'
import { Client } from '../../src/write/merge-penalty.ts'
import { NO_CREDENTIALS, type Write, writeTarget } from '../../src/write/write.ts'
import { writeMemory } from './write-memory.ts'

export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface Setup {
  readonly relay?: Partial<HttpRelayConfig>
  readonly output?: Partial<HttpOutputConfig>
  readonly memoryBytes?: number
  readonly onFreed?: (bytes: number) => void
  readonly clock?: Clock
  readonly logger?: Logger
  readonly disk?: DiskLog
  readonly windowBytes?: number
  readonly deadLetters?: readonly DeadLetters[]
}

export async function openTestRelay(
  destinations: readonly Destination[],
  setup: Setup = {},
): Promise<{ relay: Relay; memory: MemoryBudget }> {
  const outputs = destinations.map((_, index) => outputConfig(index, setup.output))
  const config: HttpRelayConfig = {
    kind: 'http',
    name: 'test',
    bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    logDir: undefined,
    logMaxBytes: 0,
    acknowledgement: 'any',
    // Default times on the test's clock; on the real clock, times that do not run out.
    ackTimeoutMs: setup.clock === undefined ? 3_600_000 : 4000,
    outputs,
    tlsPemPath: undefined,
    defaultRetentionPolicy: '',
    pingStatus: 204,
    rateLimit: undefined,
    maxBodyBytes: 1e6,
    maxConnections: 10,
    influxdbVersion: '1.8.10',
    unsignedIntegers: false,
    honorsConsistency: false,
    idleTimeoutMs: 180_000,
    fastPath: true,
    ...setup.relay,
  }
  const memory = writeMemory(setup.memoryBytes ?? 1e8, setup.onFreed)
  const openDestination = async (output: OutputConfig) => {
    const destination = destinations[outputs.findIndex(({ name }) => name === output.name)]
    assert(destination)
    return destination
  }
  const relay = await openRelay({
    config,
    openDestination,
    memory,
    clock: setup.clock ?? systemClock,
    // Without a clock of the test there is no backoff, so tests do not wait.
    random: () => (setup.clock === undefined ? 0 : 0.5),
    logger: setup.logger ?? SILENT,
    disk: setup.disk,
    ...(setup.deadLetters === undefined ? {} : { deadLetters: setup.deadLetters }),
    ...(setup.windowBytes === undefined ? {} : { windowBytes: setup.windowBytes }),
  })
  await relay.start()
  return { relay, memory }
}

function outputConfig(index: number, changes: Partial<HttpOutputConfig> = {}): HttpOutputConfig {
  return {
    kind: 'http',
    name: String.fromCharCode(97 + index),
    location: 'http://x/write',
    bufferBytes: 1e6,
    batchMaxBytes: 1e6,
    timeoutMs: 1000,
    delayMaxMs: 1000,
    filters: [],
    origin: 'http://x',
    paths: { write: '/write', prometheusWrite: '', ping: '/ping', query: '/query' },
    dialect: 'v1',
    credentials: undefined,
    gzip: false,
    missingDbGraceMs: 3_600_000,
    tls: {
      skipVerification: false,
      ca: undefined,
      cert: undefined,
      key: undefined,
      serverName: undefined,
    },
    ...changes,
  }
}

/** @param to a database, or a database and a retention policy */
export function writeOf(
  body: string,
  to: string | readonly [string, string] = 'db',
  client = new Client(),
): Write {
  const [database, retentionPolicy] = typeof to === 'string' ? [to, ''] : to
  const target = writeTarget({
    database,
    retentionPolicy,
    precision: 'ns',
    credentials: NO_CREDENTIALS,
  })
  const lineCount = body.split('\n').length - 1
  return { kind: 'lines', target, body: Buffer.from(body), lineCount, receivedAtMs: 0, client }
}

export function outputOf(relay: Relay, name: string): OutputSnapshot {
  const output = relay.snapshot().outputs.find((each) => each.name === name)
  assert(output)
  const { acceptedLines, pendingLines, outcomeLines } = output
  const settled = Object.values(outcomeLines).reduce((sum, lines) => sum + lines, 0)
  assert.equal(acceptedLines, pendingLines + settled, `the books of ${name}`)
  return output
}
