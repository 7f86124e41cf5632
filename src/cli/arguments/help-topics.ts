/** The texts of `relay help`, for the program and for each command. Pure. */

import { nearestKey } from '../../config/schema/spelling.ts'

const GENERAL = `Usage: relay -config FILE

Takes line-protocol writes over HTTP and UDP and forwards each of them to every output.

  relay -config FILE              run (also: relay run -config FILE)
  relay -check -config FILE       list the errors of FILE, or its values (also: relay check)
  relay config                    print a configuration with every key, its meaning and default
  relay quick-start               try the relay: run at once, with files as outputs
  relay -healthcheck              ask the running relay for its health; exit code 0 or 1
  relay dead COMMAND              lines that outputs refused for good: list, show, replay, purge
  relay log COMMAND               log on disk: status, verify, dump, export, import, adopt
  relay -version                  print the version (also: relay version)
  relay help COMMAND              print help for a command (also: relay COMMAND -help)

Flags, with one dash or two, as "-name value" or "-name=value":

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
  -log-level LEVEL                debug, info, warn or error
  -log-format FORMAT              text for people, json for machines, auto
  -v                              the same as -log-level debug
  -h, -help                       print this text, or the help for a command
`

const LOG_FLAGS = `
  -log-level LEVEL                debug, info, warn or error
  -log-format FORMAT              text for people, json for machines, auto (text on a terminal)
  -v                              the same as -log-level debug
`

const WHICH_LOG = `
  -config FILE                    a configuration; also as RELAY_CONFIG
  -relay NAME                     the relay, when several have a log
  -dir FOLDER                     the log's folder, when there is no configuration
`

const WHICH_LETTERS = `
  -config FILE                    a configuration; also as RELAY_CONFIG
  -relay NAME                     only dead letters of this relay
  -output NAME                    only dead letters of this output
`

const LETTERS_OR_FOLDER = `${WHICH_LETTERS}\
  -dir FOLDER                     the log's folder, when there is no configuration
`

/** Help by the words of the command; '' = the program. */
const TOPICS = {
  '': GENERAL,
  run: `Usage: relay -config FILE    (also: relay run -config FILE)

Runs until SIGINT or SIGTERM, which stop the relay cleanly; a second signal ends it at once. Exit
code 0: all accepted writes are delivered or kept on disk; 1: some are lost, or FILE or an address
cannot be used; 2: the command line is wrong; 130: a second signal ended the relay.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG${LOG_FLAGS}`,
  check: `Usage: relay -check -config FILE    (also: relay check -config FILE)

Lists all errors of FILE, with exit code 1; or all values that the relay would run with, with
exit code 0. Opens only FILE and the files that FILE names.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
`,
  config: `Usage: relay config

Prints a configuration with every key, its meaning and its default.
`,
  'quick-start': `Usage: relay quick-start

Runs at once, to try the relay: listens for HTTP and UDP on 127.0.0.1:9096, writes to files in
quick-start-data/ of the working directory, and prints commands to try. Has its own
configuration and takes no -config.
${LOG_FLAGS}`,
  healthcheck: `Usage: relay -healthcheck [-config FILE]    (also: relay healthcheck)

Asks the relay on this machine for its health, at the [admin] address of FILE, or at
127.0.0.1:9097. Exit code 0 when every HTTP relay has an output that is up, else 1.

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
`,
  version: `Usage: relay -version    (also: relay version)

Prints version, commit and Node.js.
`,
  help: `Usage: relay help [COMMAND]    (also: relay COMMAND -help)

Prints what a command does and which flags it takes: relay help log, relay help log status.
`,
  log: `Usage: relay log COMMAND -config FILE

Tools for the log on disk of a relay with log-dir. All except adopt only read the log, and work
while the relay runs. import reads a file, not a log.

  relay log status [-json]        print pending writes of each output, segments, damage
  relay log verify                check every record; exit code 1 when one is damaged
  relay log dump [-lines]         print every record, one per line
  relay log export [-output NAME] [TO]
                                  write pending lines in the format of "influx -import"
  relay log import FROM URL [-from-line N]
                                  send such a file to a relay or to InfluxDB
  relay log adopt OLD NEW         give output NEW the cursor of OLD; the relay must be stopped
${WHICH_LOG}`,
  'log status': `Usage: relay log status -config FILE    (or: -dir FOLDER)

Prints the pending writes of each output, the number of segments, damage and quarantine. Reads
the whole log. Exit code 1 when there is no log.

  -json                           print JSON${WHICH_LOG}`,
  'log verify': `Usage: relay log verify -config FILE    (or: -dir FOLDER)

Checks every record against its checksum and names each damaged place. Exit code 1 when there is
damage, or no log.
${WHICH_LOG}`,
  'log dump': `Usage: relay log dump -config FILE    (or: -dir FOLDER)

Prints every record, one per line: number, time, kind, database, retention policy, precision,
lines, bytes, output. Credentials are not shown.

  -lines                          print the lines of each record below it${WHICH_LOG}`,
  'log export': `Usage: relay log export [TO] -config FILE    (or: -dir FOLDER)

Writes the pending lines, in the order of the log, in the format that "influx -import" and "relay
log import" read. TO is a new file, or "-" for standard output, the default. Exit code 1 when
damage may have destroyed pending lines.

  -output NAME                    only lines pending for this output${WHICH_LOG}`,
  'log import': `Usage: relay log import FROM URL

Sends the file FROM to a relay or to InfluxDB at URL, in order, and stops at the first failure.
Sending lines twice changes nothing. Credentials: http://user:password@host:8086, or
INFLUX_USERNAME and INFLUX_PASSWORD, or INFLUX_TOKEN in the environment.

  -from-line N                    start at this line of the file
`,
  'log adopt': `Usage: relay log adopt OLD NEW -config FILE    (or: -dir FOLDER)

For an output that was renamed in the configuration from OLD to NEW: output NEW gets the pending
writes of OLD. The relay must be stopped.
${WHICH_LOG}`,
  dead: `Usage: relay dead COMMAND -config FILE

Dead letters are lines that an output refused for good. A relay with log-dir keeps them, with the
reason.

  relay dead list                 count them by output, database and reason
  relay dead show                 print them with their lines, oldest first
  relay dead replay -output NAME  make the running relay send those of one output again
  relay dead purge -output NAME   delete those of one output
${LETTERS_OR_FOLDER}`,
  'dead list': `Usage: relay dead list -config FILE    (or: -dir FOLDER)

Counts the dead letters by output, database and reason. Works while the relay runs.

  -json                           print JSON, one object for each output${LETTERS_OR_FOLDER}`,
  'dead show': `Usage: relay dead show -config FILE    (or: -dir FOLDER)

Prints dead letters with their lines, oldest first. Works while the relay runs.

  -limit N                        at most N dead letters (default 20)
  -json                           print JSON, one object for each dead letter${LETTERS_OR_FOLDER}`,
  'dead replay': `Usage: relay dead replay -output NAME -config FILE

Makes the running relay send the dead letters of one output to this output again, with their old
timestamps. If a point of the same series and time was written since, the old values replace the
newer ones.

  -yes                            replay them; else only say what would be done${WHICH_LETTERS}`,
  'dead purge': `Usage: relay dead purge -output NAME -config FILE    (or: -dir FOLDER)

Deletes the dead letters of one output for good. Asks the running relay to delete them, or
deletes them itself when no relay runs.

  -before AGE                     only those older than AGE: 24h, 30m
  -yes                            delete them${LETTERS_OR_FOLDER}`,
} as const

export type HelpTopic = keyof typeof TOPICS

export function helpText(topic: HelpTopic): string {
  return TOPICS[topic]
}

export const HELP_TOPICS = Object.keys(TOPICS).filter(isTopic)

/** The longest prefix of the words that is a command: `log status main` → `log status`. */
export function topicOf(words: readonly string[]): HelpTopic {
  const [first = '', second = ''] = words
  const both = `${first} ${second}`
  if (isTopic(both)) return both
  return isTopic(first) ? first : ''
}

/** `relay help …` → the topic; `undefined` = no such command. */
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
