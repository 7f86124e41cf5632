/**
 * An HTTP listener on a free port, in front of a fake relay that keeps its writes and answers as
 * the test says. Has no test of its own.
 */

import type { HttpRelayConfig } from '../../src/config/config.ts'
import type { HttpLimits } from '../../src/listeners/http/limits.ts'
import {
  type HttpListener,
  type HttpListenerOptions,
  openHttpListener,
} from '../../src/listeners/http/listener.ts'
import type { AcceptOptions } from '../../src/relay/relay.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'
import type { LogFields, Logger } from '../../src/std/logger.ts'
import type { MemoryBudget } from '../../src/std/memory-budget.ts'
import { type Reply, STORED } from '../../src/write/reply.ts'
import { RisingClock } from '../../src/write/rising-clock.ts'
import type { Write } from '../../src/write/write.ts'
import { Arrivals } from './arrivals.ts'
import { type HttpAnswer, httpRequest } from './http-request.ts'
import { writeMemory } from './write-memory.ts'

export interface TestListenerOptions {
  readonly config?: Partial<HttpRelayConfig>
  readonly limits?: Partial<HttpLimits>
  readonly health?: HttpListenerOptions['health']
  readonly memoryBytes?: number
  readonly onFreed?: (bytes: number) => void
  readonly clock?: Clock
  /** The relay's answer; default: stored. */
  readonly accept?: (write: Write) => Promise<Reply> | Reply
}

export interface TestListener extends AsyncDisposable {
  readonly url: string
  readonly listener: HttpListener
  readonly writes: Arrivals<Write>
  readonly acceptOptions: (AcceptOptions | undefined)[]
  readonly memory: MemoryBudget
  /** Bytes of the budget that writes have taken. */
  readonly writeBytes: number
  /** All log lines, fields and message as one text each. */
  readonly logged: string[]
  /** The bodies that the relay received, as text, in order. */
  bodies(): string[]
  /** Sends one write to `/write` with this query string. */
  write(
    query: string,
    body?: string | Uint8Array,
    headers?: Record<string, string>,
  ): Promise<HttpAnswer>
}

export const TEST_CONFIG: HttpRelayConfig = {
  kind: 'http',
  name: 'test',
  bindAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  logDir: undefined,
  logMaxBytes: 0,
  acknowledgement: 'any',
  ackTimeoutMs: 4_000,
  outputs: [],
  tlsPemPath: undefined,
  defaultRetentionPolicy: '',
  pingStatus: 204,
  rateLimit: undefined,
  maxBodyBytes: 25_000_000,
  maxConnections: 100,
  influxdbVersion: '1.8.10',
  unsignedIntegers: false,
  honorsConsistency: false,
  idleTimeoutMs: 180_000,
  fastPath: process.env['RELAY_TEST_FAST_PATH'] !== 'false',
}

/**
 * No time limit runs out unless a test makes it short: the speed of the machine decides nothing.
 */
const PATIENT_LIMITS = {
  headersTimeoutMs: 3_600_000,
  idleTimeoutMs: 3_600_000,
  keepAliveTimeoutMs: 3_600_000,
  requestTimeoutMs: 3_600_000,
  closeTimeoutMs: 3_600_000,
}

export async function openTestListener(options: TestListenerOptions = {}): Promise<TestListener> {
  const { config, limits = {}, accept = () => STORED, memoryBytes = 100_000_000 } = options
  const writes = new Arrivals<Write>((write) => `${write.target.key} ${write.body.toString()}`)
  const acceptOptions: (AcceptOptions | undefined)[] = []
  const memory = writeMemory(memoryBytes, options.onFreed)
  const logged: string[] = []
  const listener = await openHttpListener({
    config: { ...TEST_CONFIG, ...config },
    relay: {
      accept: async (write, options) => {
        writes.push(write)
        acceptOptions.push(options)
        return await accept(write)
      },
      ask: async () => undefined,
    },
    health: options.health ?? (() => ({ fault: '', outputs: [] })),
    memory,
    clock: options.clock ?? systemClock,
    stampClock: new RisingClock(systemClock, { look: () => 0 }),
    logger: capturingLogger(logged),
    limits: { ...PATIENT_LIMITS, ...limits },
  })
  const scheme = config?.tlsPemPath === undefined ? 'http' : 'https'
  const url = `${scheme}://127.0.0.1:${listener.address.port}`
  return {
    url,
    listener,
    writes,
    acceptOptions,
    memory,
    get writeBytes() {
      return memory.usedBytes - memory.clients.usedBytes
    },
    logged,
    bodies: () => writes.items.map(({ body }) => body.toString()),
    write: (query, body = 'm v=1 1', headers = {}) =>
      httpRequest(`${url}/write?${query}`, { method: 'POST', body, headers }),
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  }
}

function capturingLogger(logged: string[]): Logger {
  const log = (fields: LogFields, message: string): void => {
    logged.push(`${JSON.stringify(fields)} ${message}`)
  }
  return { debug: log, info: log, warn: log, error: log }
}
