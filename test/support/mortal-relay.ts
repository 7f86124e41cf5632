/**
 * A relay that is killed and started again on the same folder, and what its clients see of it.
 *
 *     await using relay = new MortalRelay({ config })
 *     await relay.start()
 *     …                                    clients: `await relay.send(client, body, query)`
 *     await relay.kill()
 *     await relay.start()
 *
 * Ports and folder stay; clients live on. A connection that breaks while nobody was killed is a
 * failure of the relay, and stands in `unexpected`.
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
  /** From before the signal is sent until the next one is ready. */
  #isDead = true
  /** How often each status was answered. */
  readonly statuses: Record<number, number> = {}
  /** Connections that broke with the process. */
  brokenCount = 0
  readonly unexpected: string[] = []

  constructor(options: MortalRelayOptions) {
    this.#options = options
  }

  /** The one that runs now. */
  get process(): RelayProcess {
    if (this.#process === undefined) throw new Error('the relay does not run')
    return this.#process
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    if (this.#isOver) throw new Error(OVER)
    this.#process = await startRelayProcess(this.#options)
    this.#isDead = false
    this.#up.resolve()
  }

  /** @param afterMs since its first line of output, which comes before it opens anything */
  async startAndKill(afterMs: number): Promise<void> {
    this.#process = await startRelayProcess({ ...this.#options, ready: () => true })
    await sleep(afterMs)
    await this.kill()
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    if (!this.#isDead) this.#up = Promise.withResolvers()
    this.#isDead = true
    await this.#process?.kill('SIGKILL')
    await this.#process?.[Symbol.asyncDispose]()
    this.#process = undefined
    await this.#options.onKilled?.()
  }

  /**
   * Waits until it is up and writes once.
   *
   * @param onSend called just before
   * @returns `undefined` when it died before it answered
   */
  async send(
    client: WriteClient,
    write: { readonly body: string; readonly query: string; readonly onSend?: () => void },
  ): Promise<HttpAnswer | undefined> {
    await this.#up.promise
    if (this.#isOver) throw new Error(OVER) // Else clients of a test that failed never ended.
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

  /** Of the answers, the share that was 204. */
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
