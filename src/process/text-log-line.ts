/**
 * A log line for people: when, how bad, and the message, on one line. Pure.
 *
 *     2026-11-24 16:00:00.123 WARN  relay "main": output "b" is down: …
 *
 * Fields are for machines: a message says all that they say. What a stranger has put into a message
 * cannot end its line (std/printable.ts).
 */

import { printable } from '../std/printable.ts'

export interface TextLineOptions {
  readonly level: string
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly atMs: number
  readonly message: string
}

/** Only what stands out has a colour. */
const COLOURS: Readonly<Record<string, string>> = { warn: '33', error: '31', debug: '2' }

/** @param isTerminal colours, and no date: whoever looks knows the day, and lines stay short */
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
