/**
 * The oracle of same order: what clients sent and were told, against what a database holds.
 *
 *     const journal = new WriteJournal()
 *     await journal.write(client, { series: 'm,host=a', field: 'v=1i', time: 1n })
 *     …
 *     assert.deepEqual(journal.findings(await a.points('db')), [])
 *
 * Every write is noted before it is sent and again when it is answered. A key is a series and a
 * time. The value that a key may end with is that of a write
 *
 *     - that was not refused (4xx), and
 *     - that no acknowledged write has replaced: one that was sent after this one was answered.
 *
 * So of two that raced either may stand, of two in sequence only the second; a write that was
 * answered 5xx, or not at all, may stand or not. `died` ends a write whose relay was killed: what
 * is acknowledged later has replaced it. A key with an acknowledged write must be there.
 *
 * Limits: one field per key; no spaces in names and values.
 */
import type { HttpAnswer } from './http-request.ts'
import type { WriteClient } from './write-client.ts'

export interface JournalPoint {
  /** Measurement and tags as `Influxd.points` writes them. */
  readonly series: string
  /** As `Influxd.points` writes it, so that types are compared: `v=1i`, `v=1.5`, `v="text"`. */
  readonly field: string
  readonly time: bigint
}

export interface Note {
  readonly field: string
  /** Place among all beginnings and answers of the journal. */
  readonly sentAt: number
  answeredAt: number | undefined
  status: number | undefined
}

export class WriteJournal {
  readonly #notes = new Map<string, Note[]>()
  #now = 0
  /** How often each status was answered. */
  readonly statuses: Record<number, number> = {}

  get keyCount(): number {
    return this.#notes.size
  }

  /** Sends one point and notes both ends of it. */
  async write(client: WriteClient, point: JournalPoint, query?: string): Promise<HttpAnswer> {
    const note = this.begin(point)
    const answer = await client.write(`${point.series} ${point.field} ${point.time}`, query)
    this.answered(note, answer.status)
    return answer
  }

  /** A write is about to be sent. */
  begin({ series, field, time }: JournalPoint): Note {
    const note = { field, sentAt: this.#now++, answeredAt: undefined, status: undefined }
    const key = `${series} ${time}`
    const notes = this.#notes.get(key)
    if (notes === undefined) this.#notes.set(key, [note])
    else notes.push(note)
    return note
  }

  answered(note: Note, status: number): void {
    note.answeredAt = this.#now++
    note.status = status
    this.statuses[status] = (this.statuses[status] ?? 0) + 1
  }

  /** The relay has ended, and with it the chance of an answer or of coming into its log later. */
  died(note: Note): void {
    note.answeredAt = this.#now++
  }

  /**
   * What is wrong with a database, in words; nothing when all is as the clients were told.
   *
   * @param stored every point of it, as `Influxd.points` gives them
   */
  findings(stored: readonly string[]): string[] {
    const values = new Map(stored.map(keyAndField))
    const wrong: string[] = []
    for (const [key, notes] of this.#notes) {
      const finding = judgeKey(notes, values.get(key))
      if (finding !== undefined) wrong.push(`${key}: ${finding}`)
      values.delete(key)
    }
    for (const [key, field] of values) wrong.push(`${key}: holds ${field}, which nobody sent`)
    return wrong
  }
}

function judgeKey(notes: readonly Note[], stored: string | undefined): string | undefined {
  const acknowledged = notes.filter(({ status }) => status !== undefined && status < 300)
  const last = acknowledged.at(-1)?.field ?? 'nothing'
  if (stored === undefined) {
    return acknowledged.length === 0 ? undefined : `lost; acknowledged was ${last}`
  }
  const may = notes.filter((note) => !isRefused(note) && !isReplaced(note, acknowledged))
  if (may.some(({ field }) => field === stored)) return undefined
  const same = notes.filter(({ field }) => field === stored)
  if (same.length === 0) return `holds ${stored}, which nobody sent`
  if (same.every(isRefused)) return `holds ${stored}, which was refused`
  return `stale; holds ${stored}, acknowledged last was ${last}`
}

function isRefused({ status }: Note): boolean {
  return status !== undefined && status >= 400 && status < 500
}

function isReplaced({ answeredAt }: Note, acknowledged: readonly Note[]): boolean {
  if (answeredAt === undefined) return false
  return acknowledged.some(({ sentAt }) => sentAt > answeredAt)
}

function keyAndField(line: string): [string, string] {
  const [series, field = '', time] = line.split(' ')
  return [`${series} ${time}`, field]
}
