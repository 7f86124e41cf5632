/** `relay help`, and the usage that a wrong command line is answered with. */

import { type CommandIo, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from './io.ts'

const USAGE = `Usage: relay -config FILE

Takes line-protocol writes over HTTP and UDP and forwards each of them to every output.

  relay -config FILE              run (also: relay run -config FILE)
  relay -check -config FILE       say what is wrong with FILE, or what it does (also: relay check)
  relay config                    print a configuration with every key, its meaning and default
  relay quick-start               run at once, with two files as outputs, to try it
  relay -healthcheck              ask the relay that runs here; exit code 0 or 1
  relay dead list|show|replay|purge -config FILE
                                  what outputs refused for good (see "Dead letters" below)
  relay -version                  print the version (also: relay version)

The log on disk (log-dir), while the relay runs; -config FILE or -dir FOLDER says which:

  relay log status [-json]        what each output is still owed, segments, damage
  relay log verify                check every record; exit code 1 when one is damaged
  relay log dump [-lines]         print every record, one a line
  relay log export [-output NAME] [TO]
                                  what is owed, in the form that "influx -import" reads
  relay log import FROM URL [-from-line N]
                                  send such a file to a relay or to InfluxDB
  relay log adopt OLD NEW         output NEW takes the place of OLD; the relay must be stopped

Flags, with one dash or two, as "-name value" or "-name=value":

  -config FILE                    configuration in TOML; also as RELAY_CONFIG
  -log-level LEVEL                debug, info, warn or error
  -log-format FORMAT              text for people, json for machines, auto
  -v                              the same as -log-level debug
  -dir FOLDER                     a log's folder, where the configuration is not at hand
  -relay NAME                     which relay's log, where several have one
  -h, -help                       print this

Dead letters, of a relay with log-dir; -output NAME and -relay NAME choose among them, -dir FOLDER
names the log's folder instead of a configuration:

  relay dead list                 how many, by database and reason; -json
  relay dead show                 with their lines, oldest first; -limit N (20), -json
  relay dead replay               have the running relay send those of one output to it again; -yes
  relay dead purge                delete those of one output, -before 24h only older ones; -yes
`

export function help(io: CommandIo): number {
  io.stdout.write(USAGE)
  return EXIT_OK
}

/** The first line is the original's own; scripts look for it. */
export function missingConfig(io: CommandIo): number {
  io.stderr.write(`Missing configuration file\n\n${USAGE}`)
  return EXIT_FAILURE
}

/** @param message what is wrong with the command line */
export function badUsage(message: string, io: CommandIo): number {
  io.stderr.write(`relay: ${message}\nTry "relay -help".\n`)
  return EXIT_USAGE
}
