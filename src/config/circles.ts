/**
 * Outputs that send writes back to the relay they came from, directly or through other relays of
 * the same file. Such a write would go in circles for ever.
 */

import { reaches } from './addresses.ts'
import { joinPath, type Reader } from './read/reader.ts'
import type { OutputDraft } from './sections/parse-output.ts'
import type { RelayDraft } from './sections/parse-relay.ts'

/** Reports one output of each circle. */
export function reportCircles(reader: Reader, relays: readonly RelayDraft[]): void {
  for (const [index, relay] of relays.entries()) {
    for (const output of relay.outputs) {
      const target = relays.findIndex((each) => leadsTo(output, each))
      // Every circle has at least one output that leads to an earlier relay, or to its own.
      if (target < 0 || target > index || !isReachable(relays, target, index)) continue
      const { path } = relays[target] ?? relay
      const where = `${path}${reader.lineNote(path)}`
      const message =
        target === index
          ? `is this relay itself (${path}); its writes would go in circles`
          : `is ${where}, whose writes come back here; they would go in circles`
      reader.report(joinPath(output.path, 'location'), message)
    }
  }
}

function leadsTo(output: OutputDraft, relay: RelayDraft): boolean {
  if (!relay.hasAddress || output.target === undefined) return false
  return reaches(output.target, relay.config.bindAddress)
}

/** Whether writes of the first relay reach the second, over any number of relays between them. */
function isReachable(relays: readonly RelayDraft[], from: number, to: number): boolean {
  const reached = new Set([from])
  for (const index of reached) {
    if (index === to) return true
    for (const output of relays[index]?.outputs ?? []) {
      const next = relays.findIndex((each) => leadsTo(output, each))
      if (next >= 0) reached.add(next)
    }
  }
  return false
}
