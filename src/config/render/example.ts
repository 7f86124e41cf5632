/**
 * The commented example, `relay.toml.example`, rendered from the table of keys.
 *
 * It parses and runs as it is: two InfluxDB servers on this machine, a relay over HTTP and one over
 * UDP. Keys that stand at their default are commented out.
 */

import type { OutputConfig } from '../config.ts'
import type { Key } from '../schema/config-key.ts'
import { ADMIN_KEYS, HTTP_KEYS, TOP_KEYS, UDP_KEYS } from '../schema/keys.ts'
import { FILTER_KEYS, OUTPUT_KEYS } from '../schema/output-keys.ts'

/** Begins a line of documentation; a line that begins with a single # is a key at its default. */
const DOC_MARK = '##'

/** Values by key name, as the file spells them. */
type Settings = Readonly<Record<string, string>>

const INTRODUCTION = `## Configuration of line-relay: every key, with its default.
##
## Keys at their default are commented out with a single "#". Case, "_" and "-" in keys make no
## difference. Durations are quoted, with units: "10s", "1m30s". "-mb" is 1048576 bytes, "-kb" 1024.
##
## \${NAME} and \${NAME:-default} in a value come from the environment, and every key with a single
## value can be set there: RELAY_MAX_MEMORY_MB, RELAY_HTTP_0_BIND_ADDR,
## RELAY_HTTP_0_OUTPUT_1_LOCATION.
##
## This file accepts connections from this machine only. To accept other machines, and in a
## container, write "0.0.0.0:9096" and "0.0.0.0:9097" (docs/installation.md).
##
## "relay -check -config <file>" shows every value that applies, and starts nothing.`

/** The whole text of the example. */
export function renderExample(): string {
  const blocks = [
    INTRODUCTION,
    renderKeys(Object.values(TOP_KEYS), {}),
    section('[admin]', Object.values(ADMIN_KEYS), {}),
    '## A relay over HTTP. There may be several; each has its own outputs.',
    section('[[http]]', Object.values(HTTP_KEYS), {
      name: '"example-http"',
      'bind-addr': '"127.0.0.1:9096"',
    }),
    '## Every output of a relay gets all its writes. These are the keys of an HTTP output.',
    section('[[http.output]]', outputKeys('http'), {
      name: '"local1"',
      location: '"http://127.0.0.1:8086/write"',
    }),
    '[[http.output]]\nname = "local2"\nlocation = "http://127.0.0.1:7086/write"',
    '## An output can also be a file of lines.',
    comment(
      section('[[http.output]]', outputKeys('file'), {
        name: '"archive"',
        location: '"file:archive/lines.lp"',
      }),
    ),
    '## A relay over UDP. A UDP port may be the same as a TCP port.',
    section('[[udp]]', Object.values(UDP_KEYS), {
      name: '"example-udp"',
      'bind-addr': '"127.0.0.1:9096"',
    }),
    section('[[udp.output]]', outputKeys('udp'), {
      name: '"local1"',
      location: '"127.0.0.1:8089"',
    }),
    '[[udp.output]]\nname = "local2"\nlocation = "127.0.0.1:7089"',
    '## Only lines that match the filter go to the outputs that it names.',
    comment(section('[[filter]]', Object.values(FILTER_KEYS), { outputs: '["local2"]' })),
  ]
  return `${blocks.join('\n\n')}\n`
}

/** The keys for one kind of output, the shared ones first. */
function outputKeys(kind: OutputConfig['kind']): readonly Key<unknown>[] {
  return Object.values(OUTPUT_KEYS).filter(
    ({ outputKinds }) => outputKinds.length === 0 || outputKinds.includes(kind),
  )
}

function section(header: string, keys: readonly Key<unknown>[], settings: Settings): string {
  return `${header}\n${renderKeys(keys, settings)}`
}

function renderKeys(keys: readonly Key<unknown>[], settings: Settings): string {
  return keys.map((key) => renderKey(key, settings[key.name])).join('\n')
}

function renderKey(key: Key<unknown>, setting: string | undefined): string {
  const assignment =
    setting === undefined ? `# ${key.name} = ${key.defaultText}` : `${key.name} = ${setting}`
  return `${DOC_MARK} ${key.doc}\n${assignment}`
}

function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.startsWith('#') ? line : `# ${line}`))
    .join('\n')
}
