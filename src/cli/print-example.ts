/** `relay config`: the commented example, with every key, its meaning and its default. */

import { renderExample } from '../config/render/example.ts'
import { type CommandIo, EXIT_OK } from './io.ts'

export function printExample(io: CommandIo): number {
  io.stdout.write(renderExample())
  return EXIT_OK
}
