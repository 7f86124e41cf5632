/**
 * A TCP proxy in front of one target, with faults that the test switches on.
 *
 * The test may change `fault` at any time, also for open connections: it is read for every chunk.
 * Bytes pass in order in both directions; "up" is towards the target.
 *
 *     none                  bytes pass
 *     delay ms              every chunk waits so long
 *     rate bytesPerSecond   slow line, both directions, per connection and direction
 *     cut afterBytes        TCP reset after so many bytes in `direction`, per connection
 *     stall                 half-open: connections stay, nothing is read, nothing is sent; with a
 *                           `direction` only that way: what is asked arrives, its answer does not
 *     garbage               what comes down is replaced by bytes that mean nothing
 *
 * `resetConnections()` resets open connections. `refuse()` stops listening (connection refused),
 * `accept()` listens again on the same port.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from './reset-socket.ts'

export type Direction = 'up' | 'down'

export type ProxyFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'rate'; readonly bytesPerSecond: number }
  | { readonly kind: 'cut'; readonly afterBytes: number; readonly direction: Direction }
  | { readonly kind: 'stall'; readonly direction?: Direction }
  | { readonly kind: 'garbage' }

/** Opened on a free port of 127.0.0.1. */
export async function openFaultProxy(targetPort: number): Promise<FaultProxy> {
  const proxy = new FaultProxy(targetPort)
  await proxy.accept()
  return proxy
}

interface Pair {
  readonly client: Socket
  readonly target: Socket
}

export class FaultProxy implements AsyncDisposable {
  readonly #targetPort: number
  readonly #pairs = new Set<Pair>()
  #server: Server | undefined
  #port = 0
  #fault: ProxyFault = { kind: 'none' }
  #changed = Promise.withResolvers<void>()
  /** Connections ever accepted. */
  connections = 0
  /** Bytes that passed, of all connections together. */
  readonly passed = { up: 0, down: 0 }

  constructor(targetPort: number) {
    this.#targetPort = targetPort
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get fault(): ProxyFault {
    return this.#fault
  }

  set fault(fault: ProxyFault) {
    this.#fault = fault
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  get openConnections(): number {
    return this.#pairs.size
  }

  resetConnections(): void {
    for (const pair of this.#pairs) reset(pair)
  }

  /** Stops listening and resets open connections: from now on "connection refused". */
  async refuse(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    this.resetConnections()
    await closed
  }

  /** Listens again, on the same port. */
  async accept(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#join(client)
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port // A TCP server has no other address.
    this.#server = server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fault = { kind: 'none' } // Wakes stalled connections, so that they can end.
    await this.refuse()
  }

  #join(client: Socket): void {
    this.connections++
    const target = connect({ port: this.#targetPort, allowHalfOpen: true, noDelay: true })
    const pair = { client, target }
    this.#pairs.add(pair)
    for (const socket of [client, target]) {
      socket.on('error', () => reset(pair)) // One side broke: tell the other side.
      socket.on('close', () => {
        if (client.destroyed && target.destroyed) this.#pairs.delete(pair)
      })
    }
    void this.#pump(pair, 'up') // Never rejects: a broken pair is reset there.
    void this.#pump(pair, 'down')
  }

  async #pump(pair: Pair, direction: Direction): Promise<void> {
    const [from, to] = direction === 'up' ? [pair.client, pair.target] : [pair.target, pair.client]
    const cut = { fault: this.#fault, bytes: 0 }
    try {
      for await (const chunk of from) {
        const through = await this.#apply(chunk, direction, cut)
        if (through.length > 0 && !to.write(through)) await once(to, 'drain')
        this.passed[direction] += through.length
        if (through.length < chunk.length) {
          // Bytes that may still pass leave before the reset discards the rest.
          await new Promise((resolve) => setImmediate(resolve))
          reset(pair)
          return
        }
      }
      to.end()
    } catch {
      reset(pair)
    }
  }

  /** The part of the chunk that passes, after the fault's wait; less than the chunk means: cut. */
  async #apply(
    chunk: Buffer,
    direction: Direction,
    cut: { fault: ProxyFault; bytes: number },
  ): Promise<Buffer> {
    while (isStalled(this.#fault, direction)) await this.#changed.promise
    const fault = this.#fault
    if (cut.fault !== fault) {
      cut.fault = fault
      cut.bytes = 0
    }
    switch (fault.kind) {
      case 'delay':
        await this.#pause(fault.ms)
        return chunk
      case 'rate':
        await this.#pause((chunk.length / fault.bytesPerSecond) * 1000)
        return chunk
      case 'cut': {
        if (direction !== fault.direction) return chunk
        const through = chunk.subarray(0, Math.max(0, fault.afterBytes - cut.bytes))
        cut.bytes += chunk.length
        return through
      }
      case 'garbage':
        return direction === 'down' ? Buffer.alloc(chunk.length, 0xa5) : chunk
      default:
        return chunk
    }
  }

  /** Ends early when the fault changes, so that no test waits for a fault that it has removed. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const wait = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([wait, this.#changed.promise])
    clearTimeout(timer)
  }
}

function isStalled(fault: ProxyFault, direction: Direction): boolean {
  return fault.kind === 'stall' && (fault.direction ?? direction) === direction
}

function reset({ client, target }: Pair): void {
  resetSocket(client)
  resetSocket(target)
}
