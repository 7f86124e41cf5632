/**
 * Opens a relay together with the destinations of its outputs: all are open, or none stays open.
 */

import type { Destination } from '../destinations/destination.ts'
import { Relay, type RelayOptions } from './relay.ts'

/** Opens the destinations in order; closes everything when one of them fails to open. */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  await using opened = new AsyncDisposableStack()
  if (options.disk !== undefined) opened.use(options.disk)
  for (const letters of options.deadLetters ?? []) opened.use(letters)
  const destinations: Destination[] = []
  for (const [index, output] of options.config.outputs.entries()) {
    const cursor = options.disk?.cursorOf(index)
    destinations.push(opened.use(await options.openDestination(output, cursor)))
    cursor?.begin(destinations[index]?.checkpoint)
  }
  opened.move() // From here on the relay closes them.
  return new Relay(options, destinations)
}
