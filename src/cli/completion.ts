/**
 * `relay completion SHELL`: a script that completes commands, flags and files, made from the table
 * of commands (arguments/commands.ts).
 */

import {
  COMMAND_NAMES,
  type CommandName,
  FIRST_WORDS,
  flagsOf,
  subcommandsOf,
} from './arguments/commands.ts'
import { FLAGS, type FlagName, flagOf, spelled } from './arguments/flags.ts'
import { type CommandIo, EXIT_OK } from './io.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

const FLAG_NAMES = Object.keys(FLAGS) as FlagName[] // The keys of a constant.
const VALUE_FLAGS = FLAG_NAMES.filter((name) => flagOf(name).type === 'string')

export function completion(shell: Shell, io: CommandIo): number {
  io.stdout.write(shell === 'fish' ? fishScript() : bashScript(shell))
  return EXIT_OK
}

/** zsh runs the function for bash. */
function bashScript(shell: 'bash' | 'zsh'): string {
  const head =
    shell === 'zsh' ? '#compdef relay\nautoload -U +X bashcompinit && bashcompinit\n' : ''
  // Longer names first: the words of "log status" begin with those of "log".
  const names = COMMAND_NAMES.toSorted((a, b) => b.length - a.length)
  return `${head}_relay() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" words
  COMPREPLY=()
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
${VALUE_FLAGS.map(bashValue).join('\n')}
  esac
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1} " in
${names.map((name) => `    "${name} "*) words="${wordsBehind(name)}" ;;`).join('\n')}
    *) words="${FIRST_WORDS.join(' ')} ${wordsBehind('run')}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _relay relay
`
}

/** What may stand behind the words of a command. */
function wordsBehind(name: CommandName): string {
  const more = name === 'completion' ? SHELLS : subcommandsOf(name)
  return [...more, ...flagsOf(name).map(spelled), '-help'].join(' ')
}

function bashValue(name: FlagName): string {
  const { completes } = flagOf(name)
  const words = typeof completes === 'object' ? `-W "${completes.join(' ')}"` : undefined
  const source = completes === 'file' ? '-f' : completes === 'folder' ? '-d' : words
  const reply = source === undefined ? '' : ` COMPREPLY=($(compgen ${source} -- "$cur"));`
  return `    -${name}|--${name})${reply} return ;;`
}

function fishScript(): string {
  const lines = [`complete -c relay -f`]
  const first = (words: string) => `complete -c relay -n __fish_use_subcommand -a '${words}'`
  lines.push(first(FIRST_WORDS.join(' ')))
  for (const name of COMMAND_NAMES) {
    const seen = name.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
    const when = `-n '${seen.join('; and ')}'`
    const words = name === 'completion' ? SHELLS : subcommandsOf(name)
    if (words.length > 0) lines.push(`complete -c relay ${when} -a '${words.join(' ')}'`)
    for (const flag of flagsOf(name)) lines.push(`complete -c relay ${when} ${fishFlag(flag)}`)
  }
  for (const flag of flagsOf('run')) {
    lines.push(`complete -c relay -n __fish_use_subcommand ${fishFlag(flag)}`)
  }
  return `${lines.join('\n')}\n`
}

function fishFlag(name: FlagName): string {
  const { short, type, completes, help } = flagOf(name)
  const spelling = short === undefined ? `-o ${name}` : `-s ${short}`
  const isPath = completes === 'file' || completes === 'folder'
  const words = typeof completes === 'object' ? ` -a '${completes.join(' ')}'` : ''
  const value = type === 'string' ? `${isPath ? ' -rF' : ' -x'}${words}` : ''
  return `${spelling}${value} -d '${help.replaceAll("'", String.raw`\'`)}'`
}
