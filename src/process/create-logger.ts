/**
 * The logger of the running program: JSON lines for machines, text for people.
 *
 * A JSON line has `time` (ISO 8601), `level` (a word), `msg` (the message) and the fields of the
 * call. Only this file depends on the logging library.
 */

import { pino, stdTimeFunctions } from 'pino'
import type { LogFormat, LogLevel } from '../config/config.ts'
import { systemClock } from '../std/clock.ts'
import type { Logger } from '../std/logger.ts'
import { printableJson } from '../std/printable.ts'
import { renderCount } from '../std/units.ts'
import { LogSink } from './logger-sink.ts'
import { renderTextLine } from './text-log-line.ts'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** Descriptor of the open file to write to; 1 = standard output. */
  readonly descriptor: number
  readonly isTerminal: boolean
}

export interface OpenLogger {
  readonly logger: Logger
  /**
   * Waits until all log lines are written, but at most half a second. Call this before the process
   * ends.
   */
  flush(): Promise<void>
}

/** A failing destination makes no call throw or reject; see logger-sink.ts. */
export function createLogger(options: LoggerOptions): OpenLogger {
  const { level, format, descriptor, isTerminal } = options
  const isText = format === 'text' || (format === 'auto' && isTerminal)
  const render = isText ? textRenderer(isTerminal) : jsonLine
  const sink = new LogSink({
    descriptor,
    clock: systemClock,
    renderDropped: (count) => render(droppedLine(count)),
  })
  const logger = pino(
    {
      level,
      base: null, // The supervisor adds process id and host name.
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => sink.write(render(line)) },
  )
  return { logger, flush: () => sink.flush() }
}

function jsonLine(line: string): string {
  return `${printableJson(line.trimEnd())}\n`
}

/** Renders the text from the JSON of the library, so that both formats have the same content. */
function textRenderer(isTerminal: boolean): (line: string) => string {
  return (line) => {
    const { level, time, msg } = JSON.parse(line)
    return renderTextLine({ level, atMs: Date.parse(time), message: msg }, isTerminal)
  }
}

function droppedLine(count: number): string {
  const time = new Date(systemClock.wallMs()).toISOString()
  const lines = renderCount(count, 'log line')
  const msg = `${lines} dropped: the log could not be written, or its reader did not keep up`
  return `${JSON.stringify({ level: 'warn', time, droppedLines: count, msg })}\n`
}
