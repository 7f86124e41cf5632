/**
 * The oracle of "same order": compares the clients' writes and answers with the contents of a
 * database.
 *
 *     const journal = new WriteJournal()
 *     await journal.write(client, { series: 'm,host=a', field: 'v=1i', time: 1n })
 *     …
 *     assert.deepEqual(journal.findings(await a.points('db')), [])
 *
 * The journal records every write before it is sent and again when it is answered. A key is a
 * series and a time. A key may end with the value of a write
 *
 *     - that was not refused (4xx), and
 *     - that no acknowledged write has replaced: one that was sent after this one was answered.
 *
 * So of two concurrent writes either may be stored, of two in sequence only the second; a write
 * that was answered 5xx, or not at all, may be stored or not. `died` ends a write whose relay was
 * killed: a write that is acknowledged later has replaced it. A key with an acknowledged write must
 * exist.
 *
 * Limits: one field per key; no spaces in names and values.
 */
import type { HttpAnswer } from './http-request.ts'
import type { WriteClient } from './write-client.ts'

export interface JournalPoint {
  /** Measurement and tags as `Influxd.points` writes them. */
  readonly series: string
  /**
   * Field as `Influxd.points` writes it, so that types are compared: `v=1i`, `v=1.5`, `v="text"`.
   */
  readonly field: string
  readonly time: bigint
}

export interface Note {
  readonly field: string
  /** Position among all beginnings and answers in the journal. */
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

  /** Sends one point and records its beginning and its answer. */
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

  /** The relay has ended: no answer will come, and the write cannot enter its log later. */
  died(note: Note): void {
    note.answeredAt = this.#now++
  }

  /**
   * Describes what is wrong with a database; empty when it agrees with the clients' answers.
   *
   * @param stored all its points, as `Influxd.points` returns them
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
