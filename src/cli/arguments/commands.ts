/**
 * Every command with what people type and read: its words, its arguments, its flags, its help. The
 * parser, `relay help` and shell completion go by this table. Pure.
 */

import type { FlagName } from './flags.ts'

export interface Command {
  /** What follows the program's name in the first line of the help. */
  readonly usage: string
  readonly about: string
  /** In the order of the help. A text replaces the help of the flag (flags.ts). */
  readonly flags: readonly (FlagName | readonly [FlagName, string])[]
  /** Most arguments behind the command's words. */
  readonly argumentsMax?: number
}

export const LOGGING = ['log-level', 'log-format', 'verbose'] as const
const WHICH_LOG = ['config', 'relay', 'dir'] as const
const WHICH_LETTERS = [
  'config',
  ['relay', 'only dead letters of this relay'],
  ['output', 'only dead letters of this output'],
] as const
const OR_DIR = '    (or: -dir FOLDER)'

/** By its words. The order is that of the lists in messages. */
export const COMMANDS = {
  run: {
    usage: '-config FILE    (also: relay run -config FILE)',
    about: `\
Runs until SIGINT or SIGTERM, which stop the relay cleanly; a second signal ends it at once. Exit
code 0: all accepted writes are delivered or kept on disk; 1: some are lost, or FILE or an address
cannot be used; 2: the command line is wrong; 130: a second signal ended the relay.`,
    flags: ['config', ...LOGGING],
  },
  check: {
    usage: '-check -config FILE    (also: relay check -config FILE)',
    about: `\
Lists all errors of FILE, with exit code 1; or all values that the relay would run with, with
exit code 0. Opens only FILE and the files that FILE names.`,
    flags: ['config'],
  },
  config: {
    usage: 'config',
    about: 'Prints a configuration with every key, its meaning and its default.',
    flags: [],
  },
  healthcheck: {
    usage: '-healthcheck [-config FILE]    (also: relay healthcheck)',
    about: `\
Asks the relay on this machine for its health, at the [admin] address of FILE, or at
127.0.0.1:9097. Exit code 0 when every HTTP relay has an output that is up, else 1.`,
    flags: ['config'],
  },
  log: {
    usage: 'log COMMAND -config FILE',
    about: `\
Tools for the log on disk of a relay with log-dir. All except adopt only read the log, and work
while the relay runs. import reads a file, not a log.

  relay log status [-json]        print pending writes of each output, segments, damage
  relay log verify                check every record; exit code 1 when one is damaged
  relay log dump [-lines]         print every record, one per line
  relay log export [-output NAME] [TO]
                                  write pending lines in the format of "influx -import"
  relay log import FROM URL [-from-line N]
                                  send such a file to a relay or to InfluxDB
  relay log adopt OLD NEW         give output NEW the cursor of OLD; the relay must be stopped`,
    flags: WHICH_LOG,
  },
  'log status': {
    usage: `log status -config FILE${OR_DIR}`,
    about: `\
Prints the pending writes of each output, the number of segments, damage and quarantine. Reads
the whole log. Exit code 1 when there is no log.`,
    flags: ['json', ...WHICH_LOG],
    argumentsMax: 1,
  },
  'log verify': {
    usage: `log verify -config FILE${OR_DIR}`,
    about: `\
Checks every record against its checksum and names each damaged place. Exit code 1 when there is
damage, or no log.`,
    flags: WHICH_LOG,
    argumentsMax: 1,
  },
  'log dump': {
    usage: `log dump -config FILE${OR_DIR}`,
    about: `\
Prints every record, one per line: number, time, kind, database, retention policy, precision,
lines, bytes, output. Credentials are not shown.`,
    flags: ['lines', ...WHICH_LOG],
    argumentsMax: 1,
  },
  'log export': {
    usage: `log export [TO] -config FILE${OR_DIR}`,
    about: `\
Writes the pending lines, in the order of the log, in the format that "influx -import" and "relay
log import" read. TO is a new file, or "-" for standard output, the default. Exit code 1 when
damage may have destroyed pending lines.`,
    flags: [['output', 'only lines pending for this output'], ...WHICH_LOG],
    argumentsMax: 1,
  },
  'log import': {
    usage: 'log import FROM URL',
    about: `\
Sends the file FROM to a relay or to InfluxDB at URL, in order, and stops at the first failure.
Sending lines twice changes nothing. Credentials: http://user:password@host:8086, or
INFLUX_USERNAME and INFLUX_PASSWORD, or INFLUX_TOKEN in the environment.`,
    flags: ['from-line'],
    argumentsMax: 2,
  },
  'log adopt': {
    usage: `log adopt OLD NEW -config FILE${OR_DIR}`,
    about: `\
For an output that was renamed in the configuration from OLD to NEW: output NEW gets the pending
writes of OLD. The relay must be stopped.`,
    flags: WHICH_LOG,
    argumentsMax: 2,
  },
  'quick-start': {
    usage: 'quick-start',
    about: `\
Runs at once, to try the relay: listens for HTTP and UDP on 127.0.0.1:9096, writes to files in
quick-start-data/ of the working directory, and prints commands to try. Has its own
configuration and takes no -config.`,
    flags: LOGGING,
  },
  version: {
    usage: '-version    (also: relay version)',
    about: 'Prints version, commit and Node.js.',
    flags: [],
  },
  dead: {
    usage: 'dead COMMAND -config FILE',
    about: `\
Dead letters are lines that an output refused for good. A relay with log-dir keeps them, with the
reason.

  relay dead list                 count them by output, database and reason
  relay dead show                 print them with their lines, oldest first
  relay dead replay -output NAME  make the running relay send those of one output again
  relay dead purge -output NAME   delete those of one output`,
    flags: [...WHICH_LETTERS, 'dir'],
  },
  'dead list': {
    usage: `dead list -config FILE${OR_DIR}`,
    about: 'Counts the dead letters by output, database and reason. Works while the relay runs.',
    flags: [['json', 'print JSON, one object for each output'], ...WHICH_LETTERS, 'dir'],
  },
  'dead show': {
    usage: `dead show -config FILE${OR_DIR}`,
    about: 'Prints dead letters with their lines, oldest first. Works while the relay runs.',
    flags: [
      'limit',
      ['json', 'print JSON, one object for each dead letter'],
      ...[...WHICH_LETTERS, 'dir' as const],
    ],
  },
  'dead replay': {
    usage: 'dead replay -output NAME -config FILE',
    about: `\
Makes the running relay send the dead letters of one output to this output again, with their old
timestamps. If a point of the same series and time was written since, the old values replace the
newer ones.`,
    flags: [['yes', 'replay them; else only say what would be done'], ...WHICH_LETTERS],
  },
  'dead purge': {
    usage: `dead purge -output NAME -config FILE${OR_DIR}`,
    about: `\
Deletes the dead letters of one output for good. Asks the running relay to delete them, or
deletes them itself when no relay runs.`,
    flags: ['before', ['yes', 'delete them'], ...WHICH_LETTERS, 'dir'],
  },
  completion: {
    usage: 'completion bash|zsh|fish',
    about: `\
Prints a script that completes commands, flags and files for a shell:

  bash    relay completion bash > /etc/bash_completion.d/relay
  zsh     relay completion zsh > "\${fpath[1]}/_relay"
  fish    relay completion fish > ~/.config/fish/completions/relay.fish`,
    flags: [],
    argumentsMax: 1,
  },
  help: {
    usage: 'help [COMMAND]    (also: relay COMMAND -help)',
    about:
      'Prints what a command does and which flags it takes: relay help log, relay help log status.',
    flags: [],
    argumentsMax: 2,
  },
} as const satisfies Readonly<Record<string, Command>>

/** The words of a command: `log status`. */
export type CommandName = keyof typeof COMMANDS

export const COMMAND_NAMES = Object.keys(COMMANDS).filter(isCommand)

/** The commands that come directly behind the program's name. */
export const FIRST_WORDS = COMMAND_NAMES.filter((name) => !name.includes(' '))

export function commandOf(name: CommandName): Command {
  return COMMANDS[name]
}

export function flagsOf(name: CommandName): readonly FlagName[] {
  return commandOf(name).flags.map((flag) => (typeof flag === 'string' ? flag : flag[0]))
}

/** `log` → `status`, `verify`, … */
export function subcommandsOf(first: string): readonly string[] {
  const prefix = `${first} `
  return COMMAND_NAMES.filter((name) => name.startsWith(prefix)).map((name) =>
    name.slice(prefix.length),
  )
}

/** The longest prefix of the words that is a command: `log status main` → `log status`. */
export function namedBy([first = '', second = '']: readonly string[]): CommandName | undefined {
  const both = `${first} ${second}`
  if (isCommand(both)) return both
  return isCommand(first) ? first : undefined
}

export function isCommand(text: string): text is CommandName {
  return Object.hasOwn(COMMANDS, text)
}
