/** What `relay help` says, of the program and of each command. Pure. */

import { nearestKey } from '../../config/schema/spelling.ts'

const GENERAL = `Usage: relay -config FILE

Takes line-protocol writes over HTTP and UDP and forwards each of them to every output.

  relay -config FILE              run (also: relay run -config FILE)
  relay -check -config FILE       say what is wrong with FILE, or what it does (also: relay check)
  relay config                    print a configuration with every key, its meaning and default
  relay quick-start               run at once, with files as outputs, to try it
  relay -healthcheck              ask the relay that runs here; exit code 0 or 1
  relay dead COMMAND              what outputs refused for good: list, show, replay, purge
  relay log COMMAND               log on disk: status, verify, dump, export, import, adopt
  relay -version                  print the version (also: relay version)
  relay help COMMAND              more about one of these (also: relay COMMAND -help)

Flags, with one dash or two, as "-name value" or "-name=value":

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
  -log-level LEVEL                debug, info, warn or error
  -log-format FORMAT              text for people, json for machines, auto
  -v                              the same as -log-level debug
  -h, -help                       print this, or what a command does
`

const LOG_FLAGS = `
  -log-level LEVEL                debug, info, warn or error
  -log-format FORMAT              text for people, json for machines, auto (text on a terminal)
  -v                              the same as -log-level debug
`

const WHICH_LOG = `
  -config FILE                    a configuration; also as RELAY_CONFIG
  -relay NAME                     which relay's log, where several have one
  -dir FOLDER                     a log's folder, where the configuration is not at hand
`

const WHICH_LETTERS = `
  -config FILE                    a configuration; also as RELAY_CONFIG
  -relay NAME                     only of this relay
  -output NAME                    only of this output
`

const LETTERS_OR_FOLDER = `${WHICH_LETTERS}\
  -dir FOLDER                     a log's folder, where the configuration is not at hand
`

/** By the words of the command; '' = the program. */
const TOPICS = {
  '': GENERAL,
  run: `Usage: relay -config FILE    (also: relay run -config FILE)

Runs until SIGINT or SIGTERM, which stop it clean; the same again ends it at once. Exit code 0:
everything that was accepted is delivered or kept on disk; 1: it is not, or FILE or an address
cannot be used; 2: the command line is wrong; 130: a second signal.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG${LOG_FLAGS}`,
  check: `Usage: relay -check -config FILE    (also: relay check -config FILE)

Says everything that is wrong with FILE, exit code 1; or what the relay would run with, exit
code 0. Opens nothing but FILE and the files that it names.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
`,
  config: `Usage: relay config

Prints a configuration with every key, its meaning and its default.
`,
  'quick-start': `Usage: relay quick-start

Runs at once, to try it: HTTP and UDP on 127.0.0.1:9096, outputs are files in quick-start-data/
of the working directory. Says what to paste and where to look. It has a configuration of its
own and takes no -config.
${LOG_FLAGS}`,
  healthcheck: `Usage: relay -healthcheck [-config FILE]    (also: relay healthcheck)

Asks the relay on this machine how it is, by its [admin] address: that of FILE, or
127.0.0.1:9097. Exit code 0 when every HTTP relay has an output that is up, else 1.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
`,
  version: `Usage: relay -version    (also: relay version)

Prints version, commit and Node.js.
`,
  help: `Usage: relay help [COMMAND]    (also: relay COMMAND -help)

Says what a command does and which flags it takes: relay help log, relay help log status.
`,
  log: `Usage: relay log COMMAND -config FILE

The log on disk of a relay with log-dir. All but adopt only read it, also beside the running
relay; import reads a file and has nothing to do with a log.

  relay log status [-json]        what each output is still owed, segments, damage
  relay log verify                check every record; exit code 1 when one is damaged
  relay log dump [-lines]         print every record, one a line
  relay log export [-output NAME] [TO]
                                  what is owed, in the form that "influx -import" reads
  relay log import FROM URL [-from-line N]
                                  send such a file to a relay or to InfluxDB
  relay log adopt OLD NEW         output NEW takes the place of OLD; the relay must be stopped
${WHICH_LOG}`,
  'log status': `Usage: relay log status -config FILE    (or: -dir FOLDER)

What each output is still owed, how many segments there are, damage, quarantine. Reads the whole
log. Exit code 1 when there is no log.

  -json                           for machines${WHICH_LOG}`,
  'log verify': `Usage: relay log verify -config FILE    (or: -dir FOLDER)

Checks every record against its checksum and names each damage. Exit code 1 when there is one,
or no log.
${WHICH_LOG}`,
  'log dump': `Usage: relay log dump -config FILE    (or: -dir FOLDER)

Prints every record, one a line: number, time, kind, database, retention policy, precision,
lines, bytes, output. Credentials are not shown.

  -lines                          with the lines of each below it${WHICH_LOG}`,
  'log export': `Usage: relay log export [TO] -config FILE    (or: -dir FOLDER)

What is owed, in the order of the log, in the form that "influx -import" and "relay log import"
read. TO is a file that does not exist yet, or "-", which is the default. Exit code 1 when
damage may have cost something.

  -output NAME                    what is owed to this output; else to any${WHICH_LOG}`,
  'log import': `Usage: relay log import FROM URL

Sends the file FROM to a relay or to InfluxDB at URL, in order, and stops at the first failure.
To send lines again changes nothing. Credentials: http://user:password@host:8086, or
INFLUX_USERNAME and INFLUX_PASSWORD, or INFLUX_TOKEN in the environment.

  -from-line N                    go on at this line of the file
`,
  'log adopt': `Usage: relay log adopt OLD NEW -config FILE    (or: -dir FOLDER)

Output NEW, which was OLD before it was renamed in the configuration, gets what OLD is owed. The
relay must be stopped.
${WHICH_LOG}`,
  dead: `Usage: relay dead COMMAND -config FILE

What outputs have refused for good, of relays with log-dir: kept with the reason.

  relay dead list                 how many, by output, database and reason
  relay dead show                 with their lines, oldest first
  relay dead replay -output NAME  have the running relay send those of one output to it again
  relay dead purge -output NAME   delete those of one output
${LETTERS_OR_FOLDER}`,
  'dead list': `Usage: relay dead list -config FILE    (or: -dir FOLDER)

How many dead letters there are, by output, database and reason. Works beside a running relay.

  -json                           for machines: one object for each output${LETTERS_OR_FOLDER}`,
  'dead show': `Usage: relay dead show -config FILE    (or: -dir FOLDER)

Dead letters with their lines, oldest first. Works beside a running relay.

  -limit N                        so many (20)
  -json                           for machines: one object for each letter${LETTERS_OR_FOLDER}`,
  'dead replay': `Usage: relay dead replay -output NAME -config FILE

Has the running relay send the dead letters of one output to it again, with their old
timestamps: where a point of the same series and time was written since, the old values replace
the newer ones.

  -yes                            do it; else it is only said what would be done${WHICH_LETTERS}`,
  'dead purge': `Usage: relay dead purge -output NAME -config FILE    (or: -dir FOLDER)

Deletes the dead letters of one output for good: by the running relay, or where none runs by
itself.

  -before AGE                     only older ones: 24h, 30m
  -yes                            do it${LETTERS_OR_FOLDER}`,
} as const

export type HelpTopic = keyof typeof TOPICS

export function helpText(topic: HelpTopic): string {
  return TOPICS[topic]
}

export const HELP_TOPICS = Object.keys(TOPICS).filter(isTopic)

/** The longest beginning of the words that is a command: of `log status main` `log status`. */
export function topicOf(words: readonly string[]): HelpTopic {
  const [first = '', second = ''] = words
  const both = `${first} ${second}`
  if (isTopic(both)) return both
  return isTopic(first) ? first : ''
}

/** `relay help …` → the topic; `undefined`: there is no such command. */
export function namedTopic(words: readonly string[]): HelpTopic | undefined {
  const given = words.join(' ')
  return isTopic(given) ? given : undefined
}

export function unknownTopic(words: readonly string[]): string {
  const given = words.join(' ')
  const commands = HELP_TOPICS.filter((topic) => topic !== '')
  const nearest = nearestKey(given, commands)
  const hint = nearest === undefined ? '' : `; did you mean relay help ${nearest}?`
  return `there is no command ${given}${hint}`
}

function isTopic(text: string): text is HelpTopic {
  return Object.hasOwn(TOPICS, text)
}
