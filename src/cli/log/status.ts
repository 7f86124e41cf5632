/** `relay log status`: the lag of each output, and the state of the files. Reads the whole log. */

import { type OutputPosition, OwedFilter } from '../../log/cursors/output-positions.ts'
import { writeOfStatement } from '../../log/cursors/owed-statements.ts'
import type { LogRecord } from '../../log/segments/record.ts'
import { systemClock } from '../../std/clock.ts'
import { printableJson } from '../../std/printable.ts'
import type { Write } from '../../write/write.ts'
import { type CommandIo, EXIT_OK } from '../io.ts'
import { type LogStatus, type OutputStatus, renderStatus } from './render-status.ts'
import type { LogView } from './view-log.ts'

export async function status(
  view: LogView,
  options: { readonly isJson: boolean },
  io: CommandIo,
): Promise<number> {
  const report = await surveyLog(view, systemClock.wallMs())
  const text = options.isJson ? renderJson(report) : renderStatus(report, view.found.flags)
  io.stdout.write(`${text}\n`)
  return EXIT_OK
}

/** The JSON has every key; unknown values are null. */
function renderJson(report: LogStatus): string {
  return printableJson(JSON.stringify(report, (_, value: unknown) => value ?? null))
}

async function surveyLog(view: LogView, nowMs: number): Promise<LogStatus> {
  const { listing, found, positions, cursorNotes } = view
  const lags = positions.map((position) => new OutputLag(position))
  const damage = { count: 0, bytes: 0 }
  const tail = { count: 0, bytes: 0 }
  let records = 0
  let firstSequence: number | undefined
  let lastSequence: number | undefined
  for await (const step of view.steps()) {
    switch (step.kind) {
      case 'record':
        records++
        firstSequence ??= step.record.sequence
        lastSequence = step.record.sequence
        for (const lag of lags) lag.count(step.record)
        break
      case 'damage':
      case 'tail': {
        const total = step.kind === 'damage' ? damage : tail
        total.count++
        total.bytes += step.bytes
        break
      }
      case 'gone':
        break
    }
  }
  const oddNotes = listing.oddFiles.map(({ name, why }) => `${name}: ${why}`)
  const missingNotes = listing.missing.map((name) => `${name} is missing between the others`)
  return {
    relay: found.relay,
    folder: found.folder,
    segments: listing.segments.length,
    segmentBytes: listing.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    records,
    firstSequence,
    lastSequence,
    damage,
    tail,
    tornFiles: listing.tornFiles,
    quarantine: listing.quarantine,
    outputs: lags.map((lag) => lag.status(nowMs)),
    notes: [...oddNotes, ...missingNotes, ...cursorNotes],
  }
}

class OutputLag {
  readonly #position: OutputPosition
  readonly #owed: OwedFilter
  #writes = 0
  #lines = 0
  #bytes = 0
  #oldestAtMs: number | undefined

  constructor(position: OutputPosition) {
    this.#position = position
    this.#owed = new OwedFilter(position)
    for (const statement of position.statements) this.#add(writeOfStatement(statement))
  }

  count(record: LogRecord): void {
    if (!this.#owed.isOwed(record)) return
    const { content } = record
    if (content.kind === 'carried') {
      this.#writes++
      this.#bytes += content.payload.length
      return
    }
    this.#add(content.write)
  }

  #add({ lineCount, body, receivedAtMs }: Write): void {
    this.#writes++
    this.#lines += lineCount
    this.#bytes += body.length
    this.#oldestAtMs = Math.min(this.#oldestAtMs ?? receivedAtMs, receivedAtMs)
  }

  status(nowMs: number): OutputStatus {
    const { output, isConfigured, from, doneBelow, done, statements } = this.#position
    const oldestAgeMs =
      this.#oldestAtMs === undefined ? undefined : Math.max(0, nowMs - this.#oldestAtMs)
    return {
      output,
      isConfigured,
      placeFrom: from,
      pendingWrites: this.#writes,
      pendingLines: this.#lines,
      pendingBytes: this.#bytes,
      oldestAgeMs,
      doneBelow,
      doneAhead: done.length,
      statementsInCursor: statements.length,
    }
  }
}
