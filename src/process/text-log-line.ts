/**
 * A log line for people: time, level and message, on one line. Pure.
 *
 *     2026-11-24 16:00:00.123 WARN  relay "main": output "b" is down: …
 *
 * The fields are left out: they are for machines, and the message contains the same information.
 * Untrusted text in a message cannot end its line (std/printable.ts).
 */

import { printable } from '../std/printable.ts'

export interface TextLineOptions {
  readonly level: string
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly atMs: number
  readonly message: string
}

/** ANSI colours by level; other levels have none. */
const COLOURS: Readonly<Record<string, string>> = { warn: '33', error: '31', debug: '2' }

/** @param isTerminal adds colours and omits the date: a person who watches knows the day */
export function renderTextLine(line: TextLineOptions, isTerminal: boolean): string {
  const { level, atMs, message } = line
  const at = new Date(atMs)
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
  const millis = String(at.getMilliseconds()).padStart(3, '0')
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const word = level.toUpperCase().padEnd(5)
  const colour = COLOURS[level]
  if (!isTerminal) return `${date} ${time}.${millis} ${word} ${printable(message)}\n`
  const shown = colour === undefined ? word : `\x1b[${colour}m${word}\x1b[0m`
  return `${time}.${millis} ${shown} ${printable(message)}\n`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
