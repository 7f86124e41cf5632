/**
 * `relay -healthcheck`: asks the relay on this machine for its health; for HEALTHCHECK in a
 * container image without curl.
 */

import type { Endpoint } from '../net/endpoint.ts'
import { printable } from '../std/printable.ts'
import { adminOrigin, causeText } from './admin-client.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK } from './io.ts'
import { loadConfig } from './load-config.ts'

/** Longest wait for the whole answer. */
const ANSWER_MAX_MS = 5000
/** Admin address of a relay without an [admin] section. */
const DEFAULT_ADDRESS: Endpoint = { kind: 'tcp', host: '127.0.0.1', port: 9097 }

/** @throws RelayError RELAY_CONFIG_INVALID */
export async function healthcheck(configPath: string | undefined, io: CommandIo): Promise<number> {
  const address =
    configPath === undefined
      ? DEFAULT_ADDRESS
      : loadConfig(configPath, io.variables).config.admin.bindAddress
  const origin = adminOrigin(address)
  if (origin === undefined) {
    io.stderr.write('unknown: [admin] bind-addr names no fixed port, so there is nobody to ask\n')
    return EXIT_FAILURE
  }
  const url = `${origin}/health`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MAX_MS) })
    io.stdout.write(`${oneLine(await answer.text(), answer.status)}\n`)
    return answer.ok ? EXIT_OK : EXIT_FAILURE
  } catch (error) {
    io.stderr.write(`fail: ${url} did not answer: ${causeText(error)}\n`)
    return EXIT_FAILURE
  }
}

function oneLine(body: string, status: number): string {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null && 'status' in parsed) {
      const message = 'message' in parsed ? `: ${parsed.message}` : ''
      return printable(`${parsed.status}${message}`)
    }
  } catch {
    // Another program listens at this address: its answer is reported below.
  }
  return `fail: HTTP ${status}, and the answer is not a relay's`
}
