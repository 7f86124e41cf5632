/**
 * The client connection of a write, for the merging of writes into requests.
 *
 * A merged request with a refused line must be split, so one bad client would make the requests of
 * all clients be split. For a while after a write of a client was refused, no output merges that
 * client's writes with those of others. Shared by all outputs.
 */

/** Time after a client's last refusal during which its writes are sent alone. */
const ALONE_MS = 10_000

export class Client {
  #aloneUntilMs = Number.NEGATIVE_INFINITY

  /** @param nowMs monotonic milliseconds */
  isAlone(nowMs: number): boolean {
    return nowMs < this.#aloneUntilMs
  }

  /**
   * A write of this client was refused.
   *
   * @param nowMs monotonic milliseconds
   */
  noteRefusal(nowMs: number): void {
    this.#aloneUntilMs = nowMs + ALONE_MS
  }
}
