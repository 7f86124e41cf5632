/**
 * The connection that writes come on, as far as merging must know it.
 *
 * One bad client must not make everybody's requests be taken apart: for a while after one of its
 * writes was refused, its writes are merged with nobody's. Shared by all outputs.
 */

/** How long a client stays alone after its last refusal. */
const ALONE_MS = 10_000

export class Client {
  #aloneUntilMs = Number.NEGATIVE_INFINITY

  /** @param nowMs monotonic milliseconds, as everywhere here */
  isAlone(nowMs: number): boolean {
    return nowMs < this.#aloneUntilMs
  }

  /** One of its writes was refused. */
  noteRefusal(nowMs: number): void {
    this.#aloneUntilMs = nowMs + ALONE_MS
  }
}
