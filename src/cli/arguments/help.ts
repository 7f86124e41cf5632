/** `relay help`, and the answer to a wrong command line. */

import { nearestKey } from '../../config/schema/spelling.ts'
import { printable } from '../../std/printable.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../io.ts'
import { COMMAND_NAMES, type CommandName, commandOf, isCommand } from './commands.ts'
import { flagOf, spelled } from './flags.ts'

/** The column in which the meaning of a flag begins. */
const MEANING_COLUMN = 32

/** '' = the program. */
export type HelpTopic = CommandName | ''

const GENERAL = `Usage: relay -config FILE

Takes line-protocol writes over HTTP and UDP and forwards each of them to every output.

  relay -config FILE              run (also: relay run -config FILE)
  relay -check -config FILE       list the errors of FILE, or its values (also: relay check)
  relay config                    print a configuration with every key, its meaning and default
  relay quick-start               try the relay: run at once, with files as outputs
  relay -healthcheck              ask the running relay for its health; exit code 0 or 1
  relay dead COMMAND              lines that outputs refused for good: list, show, replay, purge
  relay log COMMAND               log on disk: status, verify, dump, export, import, adopt
  relay completion SHELL          print a script for completion: bash, zsh, fish
  relay -version                  print the version (also: relay version)
  relay help COMMAND              print help for a command (also: relay COMMAND -help)

Flags, with one dash or two, as "-name value" or "-name=value":

${flagLines('run')}\
  -h, -help                       print this text, or the help for a command
`

export const HELP_TOPICS: readonly HelpTopic[] = ['', ...COMMAND_NAMES]

export function helpText(topic: HelpTopic): string {
  if (topic === '') return GENERAL
  const { usage, about } = commandOf(topic)
  const flags = flagLines(topic)
  return `Usage: relay ${usage}\n\n${about}\n${flags === '' ? '' : `\n${flags}`}`
}

function flagLines(command: CommandName): string {
  const lines = commandOf(command).flags.map((flag) => {
    const [name, help] = typeof flag === 'string' ? [flag, flagOf(flag).help] : flag
    const { value } = flagOf(name)
    const left = `  ${spelled(name)}${value === undefined ? '' : ` ${value}`}`
    return `${left.padEnd(MEANING_COLUMN + 2)}${help}\n`
  })
  return lines.join('')
}

/** `relay help …` → the topic; `undefined` = no such command. */
export function namedTopic(words: readonly string[]): HelpTopic | undefined {
  const given = words.join(' ')
  return given === '' || isCommand(given) ? given : undefined
}

export function unknownTopic(words: readonly string[]): string {
  const given = words.join(' ')
  const nearest = nearestKey(given, COMMAND_NAMES)
  const hint = nearest === undefined ? '' : `; did you mean relay help ${nearest}?`
  return `there is no command ${given}${hint}`
}

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
