/**
 * A process that locks a folder: `node folder-lock-process.ts <folder>`.
 *
 * Prints `held` and keeps the lock until it is killed, or prints the error's code and ends. Prints
 * `lost` when another process takes the folder over.
 */
import { randomBytes } from 'node:crypto'
import { lockFolder } from '../../src/log/lock/folder-lock.ts'
import { systemClock } from '../../src/std/clock.ts'
import { errorCode } from '../../src/std/errors.ts'
import { silentLogger } from './disk-log-fixture.ts'

try {
  const lock = await lockFolder({
    folder: process.argv[2] ?? '',
    clock: systemClock,
    logger: silentLogger,
    randomBytes,
    onLost: () => console.log('lost'),
  })
  // A lock keeps no process alive.
  const stayAlive = setInterval(() => {}, 1000)
  process.once('SIGTERM', async () => {
    clearInterval(stayAlive)
    await lock[Symbol.asyncDispose]()
  })
  console.log('held')
} catch (error) {
  console.log(errorCode(error))
}
