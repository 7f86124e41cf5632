/**
 * The logger of the running program: JSON lines for machines, text for people.
 *
 * `time` is ISO 8601, `level` a word, `msg` the message; the fields of the call stand beside them.
 * The only file that knows the library behind it.
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
  /** Of the open file to write to; 1 = standard output. */
  readonly descriptor: number
  readonly isTerminal: boolean
}

export interface OpenLogger {
  readonly logger: Logger
  /**
   * Waits, half a second at the most, until what was logged is written. Call before the process
   * ends.
   */
  flush(): Promise<void>
}

/** Never throws and never rejects for what happens to the destination; see logger-sink.ts. */
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
      base: null, // Process id and host name are the supervisor's to add.
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

/** From the JSON that the library has made: both forms tell of the same line. */
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
