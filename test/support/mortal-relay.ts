/**
 * A relay that is killed and started again on the same folder, and the answers that its clients
 * get.
 *
 *     await using relay = new MortalRelay({ config })
 *     await relay.start()
 *     …                                    clients: `await relay.send(client, body, query)`
 *     await relay.kill()
 *     await relay.start()
 *
 * Ports, folder and clients stay. A connection that breaks without a kill is a failure of the
 * relay, and is recorded in `unexpected`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorText } from '../../src/std/errors.ts'
import type { HttpAnswer } from './http-request.ts'
import { type RelayProcess, type RelayProcessOptions, startRelayProcess } from './relay-process.ts'
import type { WriteClient } from './write-client.ts'

const OVER = 'the test is over: the relay is not started any more'

export interface MortalRelayOptions extends RelayProcessOptions {
  /** Called after every kill, before the next start. */
  readonly onKilled?: () => Promise<unknown>
}

export class MortalRelay implements AsyncDisposable {
  readonly #options: MortalRelayOptions
  #process: RelayProcess | undefined
  #up = Promise.withResolvers<void>()
  #isOver = false
  /** True from before the signal is sent until the next process is ready. */
  #isDead = true
  /** How often each status was answered. */
  readonly statuses: Record<number, number> = {}
  /** Connections that broke because of a kill. */
  brokenCount = 0
  readonly unexpected: string[] = []

  constructor(options: MortalRelayOptions) {
    this.#options = options
  }

  /** The running process. */
  get process(): RelayProcess {
    if (this.#process === undefined) throw new Error('the relay does not run')
    return this.#process
  }

  /** Starts a process; resolves when it is ready. */
  async start(): Promise<void> {
    if (this.#isOver) throw new Error(OVER)
    this.#process = await startRelayProcess(this.#options)
    this.#isDead = false
    this.#up.resolve()
  }

  /** @param afterMs time after its first line of output, which comes before it opens anything */
  async startAndKill(afterMs: number): Promise<void> {
    this.#process = await startRelayProcess({ ...this.#options, ready: () => true })
    await sleep(afterMs)
    await this.kill()
  }

  /** Sends SIGKILL; resolves when the process has ended. */
  async kill(): Promise<void> {
    if (!this.#isDead) this.#up = Promise.withResolvers()
    this.#isDead = true
    await this.#process?.kill('SIGKILL')
    await this.#process?.[Symbol.asyncDispose]()
    this.#process = undefined
    await this.#options.onKilled?.()
  }

  /**
   * Waits until the relay is up, and writes once.
   *
   * @param onSend called just before the write is sent
   * @returns `undefined` when the relay died before it answered
   */
  async send(
    client: WriteClient,
    write: { readonly body: string; readonly query: string; readonly onSend?: () => void },
  ): Promise<HttpAnswer | undefined> {
    await this.#up.promise
    if (this.#isOver) throw new Error(OVER) // Otherwise clients of a failed test would never end.
    write.onSend?.()
    try {
      const answer = await client.write(write.body, write.query)
      this.statuses[answer.status] = (this.statuses[answer.status] ?? 0) + 1
      return answer
    } catch (error) {
      if (!this.#isDead) this.unexpected.push(errorText(error))
      this.brokenCount++
      return undefined
    }
  }

  /** The share of 204 among all answers. */
  get storedShare(): number {
    const answers = Object.values(this.statuses).reduce((sum, count) => sum + count, 0)
    return answers === 0 ? 0 : (this.statuses[204] ?? 0) / answers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.kill()
    this.#up.resolve()
  }
}
