/**
 * The TOML of a relay for tests: free ports, outputs by URL, further keys as in a file.
 *
 *     const config = await relayConfig({ outputs: [a.url, b.url] })
 *     await using relay = await startRelayProcess({ config: config.toml })
 *     await fetch(`${config.adminUrl}/metrics`)
 *
 * The times make tests independent of the speed of the machine: time limits are an hour, waits
 * between two attempts are short. A test of one of these times sets that key itself.
 */
import { freePort } from './free-port.ts'

export interface RelayConfigOptions {
  /** Base URLs (the output writes to `/write`), or whole tables such as `{ location = "…", timeout = "1s" }`. */
  readonly outputs: readonly string[]
  /** Further lines of the `[[http]]` section. */
  readonly http?: string
  /** Lines before the first section. */
  readonly top?: string
  /** Whole sections after the last. */
  readonly more?: string
  /** Keeps the program's default times, as benchmarks need them. */
  readonly hasOwnTimes?: boolean
}

export interface TestRelayConfig {
  readonly toml: string
  readonly port: number
  readonly adminUrl: string
}

type Times = Readonly<Record<string, string>>

const PATIENT = {
  top: { 'shutdown-timeout': '1h' },
  http: { 'ack-timeout': '1h' },
  output: { timeout: '1h', 'max-delay-interval': '100ms' },
}

export async function relayConfig(options: RelayConfigOptions): Promise<TestRelayConfig> {
  const { top = '', http = '', more = '', hasOwnTimes = false } = options
  const port = await freePort()
  const adminPort = await freePort()
  const missing = (times: Times, given: string) => (hasOwnTimes ? [] : missingOf(times, given))
  const outputs = options.outputs.map((output, index) => {
    const keys = missing(PATIENT.output, output).map((line) => `, ${line}`)
    return outputTable(output, index).replace(/ *}$/, `${keys.join('')} }`)
  })
  const toml = `${[...missing(PATIENT.top, top), top].join('\n')}
[[http]]
name = "test"
bind-addr = "127.0.0.1:${port}"
${[...missing(PATIENT.http, http), http].join('\n')}
output = [
  ${outputs.join(',\n  ')}
]

[admin]
bind-addr = "127.0.0.1:${adminPort}"

${more}
`
  return { toml, port, adminUrl: `http://127.0.0.1:${adminPort}` }
}

/** Lines for the keys that the test does not set. */
function missingOf(times: Times, given: string): string[] {
  const isGiven = (key: string) => new RegExp(`(^|[\\s,{])${key} =`).test(given)
  return Object.entries(times)
    .filter(([key]) => !isGiven(key))
    .map(([key, value]) => `${key} = "${value}"`)
}

/** Outputs are named a, b, c … in order. */
function outputTable(output: string, index: number): string {
  const name = String.fromCharCode('a'.charCodeAt(0) + index)
  if (output.startsWith('{')) return output.replace('{', `{ name = "${name}",`)
  const location = output.startsWith('http') ? `${output}/write` : output
  return `{ name = "${name}", location = "${location}" }`
}
