/** `relay help`, and the answer to a wrong command line. */

import { printable } from '../../std/printable.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../io.ts'
import { type HelpTopic, helpText } from './help-topics.ts'

export function help(topic: HelpTopic, io: CommandIo): number {
  io.stdout.write(helpText(topic))
  return EXIT_OK
}

/** The first line is the same as in the originals, because scripts look for it. */
export function missingConfig(io: CommandIo): number {
  io.stderr.write(`Missing configuration file\n\n${helpText('')}`)
  return EXIT_FAILURE
}

/** @param message what is wrong with the command line */
export function badUsage(message: string, io: CommandIo): number {
  io.stderr.write(`relay: ${printable(message)}\nTry "relay -help".\n`)
  return EXIT_USAGE
}
