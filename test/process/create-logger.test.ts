import assert from 'node:assert/strict'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger, type LoggerOptions } from '../../src/process/create-logger.ts'
import { type Logger, ofRelay } from '../../src/std/logger.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

async function logged(
  t: TestContext,
  options: Pick<LoggerOptions, 'level' | 'format'> & { readonly isTerminal?: boolean },
  use: (logger: Logger) => void,
): Promise<string> {
  const path = join(await temporaryFolder(t), 'log')
  await using file = await open(path, 'a')
  const { level, format, isTerminal = false } = options
  const { logger, flush } = createLogger({ level, format, descriptor: file.fd, isTerminal })
  use(logger)
  await flush()
  return await readFile(path, 'utf8')
}

test('a JSON line has level as a word, time as ISO 8601, msg, and the fields', async (t) => {
  const text = await logged(t, { level: 'info', format: 'auto' }, (logger) => {
    logger.warn({ output: 'a', lines: 3, cause: undefined }, 'output "a" is down')
  })
  const { time, ...rest } = JSON.parse(text)
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(rest, { level: 'warn', output: 'a', lines: 3, msg: 'output "a" is down' })
  assert(text.endsWith('}\n'))
})

test('lines below the level are not logged', async (t) => {
  const text = await logged(t, { level: 'warn', format: 'json' }, (logger) => {
    logger.debug({}, 'no')
    logger.info({}, 'no')
    logger.warn({}, 'yes')
    logger.error({}, 'yes')
  })
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).msg),
    ['yes', 'yes'],
  )
})

test('text is time, level and message on one line; colours only on a terminal', async (t) => {
  const say = (logger: Logger) => logger.warn({ relay: 'x', error: 'e' }, 'output "b" is down')
  const plain = await logged(t, { level: 'info', format: 'text' }, say)
  assert.match(plain, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WARN {2}output "b" is down\n$/)
  const shown = await logged(t, { level: 'info', format: 'auto', isTerminal: true }, say)
  assert.match(shown, /^\d\d:\d\d:\d\d\.\d{3} /)
  assert.equal(shown.slice(13), '\u001b[33mWARN \u001b[0m output "b" is down\n')
})

for (const format of ['text', 'json'] as const) {
  test(`what a stranger puts into a message begins no line of ${format} and is not obeyed`, async (t) => {
    const name = 'x\n2026-11-24 16:00:00.000 ERROR forged\r\u0085\u2028\u009b2J\u001b[2J'
    const text = await logged(t, { level: 'info', format }, (logger) => {
      logger.warn({ database: name }, `refused 1 line to database "${name}"`)
    })
    assert.equal(text.indexOf('\n'), text.length - 1, 'it is one line')
    for (const char of '\r\u0085\u2028\u009b\u001b') assert(!text.includes(char))
    if (format === 'json') assert.equal(JSON.parse(text).database, name)
  })
}

test('a logger of a relay names it, as a field and in the message', async (t) => {
  const text = await logged(t, { level: 'info', format: 'json' }, (logger) => {
    ofRelay(logger, 'web').warn({ output: 'b' }, 'output "b" is down')
  })
  const { relay, output, msg } = JSON.parse(text)
  assert.deepEqual(
    { relay, output, msg },
    {
      relay: 'web',
      output: 'b',
      msg: 'relay "web": output "b" is down',
    },
  )
})

test('a descriptor that is closed or full neither throws nor keeps flush waiting', async () => {
  await using full = await open('/dev/full', 'w')
  const { logger, flush } = createLogger({
    level: 'info',
    format: 'json',
    descriptor: full.fd,
    isTerminal: false,
  })
  logger.info({}, 'lost')
  await flush()

  const other = createLogger({
    level: 'info',
    format: 'json',
    descriptor: 1_000_000, // No such descriptor, and none of the runner's.
    isTerminal: false,
  })
  other.logger.info({}, 'lost')
  await other.flush()
})
