/**
 * The TOML of a relay for tests: free ports, outputs by URL, further keys as they stand in a file.
 *
 *     const config = await relayConfig({ outputs: [a.url, b.url] })
 *     await using relay = await startRelayProcess({ config: config.toml })
 *     await fetch(`${config.adminUrl}/metrics`)
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
}

export interface TestRelayConfig {
  readonly toml: string
  readonly port: number
  readonly adminUrl: string
}

export async function relayConfig(options: RelayConfigOptions): Promise<TestRelayConfig> {
  const port = await freePort()
  const adminPort = await freePort()
  const outputs = options.outputs.map((output, index) => outputTable(output, index))
  const toml = `${options.top ?? ''}
[[http]]
name = "test"
bind-addr = "127.0.0.1:${port}"
${options.http ?? ''}
output = [
  ${outputs.join(',\n  ')}
]

[admin]
bind-addr = "127.0.0.1:${adminPort}"

${options.more ?? ''}
`
  return { toml, port, adminUrl: `http://127.0.0.1:${adminPort}` }
}

/** Outputs are named a, b, c … in order. */
function outputTable(output: string, index: number): string {
  const name = String.fromCharCode('a'.charCodeAt(0) + index)
  if (output.startsWith('{')) return output.replace('{', `{ name = "${name}",`)
  const location = output.startsWith('http') ? `${output}/write` : output
  return `{ name = "${name}", location = "${location}" }`
}
