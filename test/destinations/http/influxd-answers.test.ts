/**
 * What a real InfluxDB 1.x answers to what it does not take, through a destination: the verdict,
 * and that the lines it is said to have refused are exactly those that it has not stored.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../../src/destinations/destination.ts'
import { partitionRefused } from '../../../src/line-protocol/rejected/partition.ts'
import { type OutputCursor, openSender } from '../../support/http-output.ts'
import { type Influxd, openInfluxd, requireInfluxd } from '../../support/influxd.ts'
import { atOnce } from '../../support/steps.ts'

/** What is told to be refused; `undefined` when it cannot be told. */
function refusedLines(texts: readonly string[], verdict: Verdict): string[] | undefined {
  assert(verdict.kind === 'partly', JSON.stringify(verdict))
  const { cause, refusedCount = -1 } = verdict
  const bodies = texts.map((text) => Buffer.from(text))
  const partitioned = atOnce(partitionRefused(bodies, cause, refusedCount))
  return partitioned?.flatMap(({ refused }) => refused.toString().match(/.*\n/g) ?? [])
}

/** Measurement by measurement: a query over several shows a field in the type of one of them. */
async function storedLines(influxd: Influxd, db: string): Promise<string[]> {
  const names = (await influxd.query('SHOW MEASUREMENTS', db)).map(({ name }) => String(name))
  const lists = await Promise.all(names.map((name) => influxd.points(db, name)))
  return lists.flat()
}

// Goal: no line is taken for refused that is stored, and none for stored that is not. Method: each
// line has a timestamp of its own, so the database tells which ones it holds.
test('the lines of a partial write that are told to be refused are those that are missing', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  const send = openSender(t, influxd.url)
  let serial = 0
  const check = async (seed: string, texts: string[], isTold: boolean) => {
    const db = `db${serial++}`
    await influxd.createDatabase(db)
    if (seed !== '') assert.equal((await send([seed], { db })).kind, 'delivered')
    const refused = refusedLines(texts, await send(texts, { db }))
    const stored = await storedLines(influxd, db)
    const isStored = (line: string) =>
      stored.some((each) => each.endsWith(line.trimEnd().slice(-4)))
    const missing = texts
      .join('')
      .split(/(?<=\n)/)
      .filter((line) => !isStored(line))
    assert(missing.length > 0, 'nothing was refused')
    assert.deepEqual(refused, isTold ? missing : undefined, texts.join(''))
  }
  const types = ['1.5', '1i', 't', '"s"']
  for (const before of types) {
    for (const after of types.filter((each) => each !== before)) {
      const texts = [
        `m v=${after} 1001\nm v=${before} 1002\n`,
        `n v=${after} 1003\nm w=1,v=${after} 1004\n`,
      ]
      await check(`m v=${before} 1000\n`, texts, true)
    }
  }
  // A field that is new in a shard that is not: its first line decides.
  await check('o w=1 1000\n', ['n v=1 1001\nn v=2i 1002\n', 'n v=3 1003\n'], true)
  await check('o w=1 1000\n', ['n v=1i,v=2.5 1001\nn v=2i 1002\n'], true)
  // Names that need escapes, or look as if they did.
  await check(
    'a\\ b\\,c,t=\\ x f\\ \\,\\=g=1i 1000\n',
    ['a\\ b\\,c,t=y f\\ \\,\\=g=1.5 1001\na\\ b\\,c w=1 1002\n'],
    true,
  )
  await check(
    'a"\\=b f"\\"=1i 1000\n',
    ['a"=b f"\\"=1.5 1001\na"\\=b f""=1.5 1002\na w=1 1003\n'],
    true,
  )
  await check('é\\\\x f\\\\y=1i 1000\n', ['é\\\\x f\\\\y=1.5 1001\né\\\\x f\\y=1.5 1002\n'], true)
  // Two reasons in one request: the text names the first.
  await check('m a=1i,b=1i 1000\n', ['m a=1.5 1001\nm b="x" 1002\nm a=1i 1003\n'], false)
  await check('o w=1 1000\n', ['n v=1 1001\nn,t=x v=2i 1002\n', 'n v="s" 1003\n'], false)
  // Two shards, and each counts its own.
  const shards = 'm v=1i 1000\nm v=1i 1700000000000000000\n'
  await check(shards, ['m v=1.5 1001\nm v=1.5 1700000000000001002\nm v=2i 1003\n'], false)
})

test('a conflict within the first request of a shard is refused whole: nothing of it is stored', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  const send = openSender(t, influxd.url)
  await influxd.createDatabase('db')
  const verdict = await send(['o w=1 1000\nn v=1 1001\n', 'n v=2i 1002\n'])
  assert(verdict.kind === 'split' && verdict.downTo === 'write', JSON.stringify(verdict))
  assert.equal(verdict.reply.error, 'field type conflict')
  assert.deepEqual(await influxd.points('db'), [])
})

test('lines beyond a retention policy are the oldest', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  const send = openSender(t, influxd.url)
  await influxd.createDatabase('db')
  await influxd.query('CREATE RETENTION POLICY "hour" ON "db" DURATION 1h REPLICATION 1')
  const now = BigInt(Date.now()) * 1_000_000n
  const old = now - 7_200_000_000_000n
  const texts = [`m v=1 ${old + 1n}\nm v=2 ${now}\n`, `m v=3 ${old}\nm v=4 ${now - 1n}\n`]
  const verdict = await send(texts, { rp: 'hour' })
  assert(verdict.kind === 'partly')
  assert.equal(verdict.reply.error, 'partial write: points beyond retention policy dropped=2')
  assert.deepEqual(refusedLines(texts, verdict), [`m v=1 ${old + 1n}\n`, `m v=3 ${old}\n`])
  const stored = [`"hour".m v=2 ${now}`, `"hour".m v=4 ${now - 1n}`]
  assert.deepEqual(await influxd.points('db'), stored.sort())

  // All of it too old is a partial write as well.
  const allOld = await send([`m v=1 ${old}\n`], { rp: 'hour' })
  assert.deepEqual(refusedLines([`m v=1 ${old}\n`], allOld), [`m v=1 ${old}\n`])
  // A conflict hides the lines that are too old; they come out when the rest is sent again.
  const both = [`m v=1 ${old}\nm v=2i ${now + 1n}\nm v=3 ${now + 2n}\n`]
  assert.deepEqual(refusedLines(both, await send(both, { rp: 'hour' })), [`m v=2i ${now + 1n}\n`])
})

test('what is missing there holds its target, and a wrong path is told', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  const send = openSender(t, influxd.url)
  await influxd.createDatabase('db')
  const check = async (place: OutputCursor, status: number, error: string) => {
    const verdict = await send(['m v=1 1\n'], place)
    assert(verdict.kind === 'hold', JSON.stringify(verdict))
    assert.deepEqual([verdict.scope, verdict.reply.status], ['target', status])
    assert.equal(verdict.reply.error, error)
  }
  await check({ db: 'no' }, 404, 'database not found: "no"')
  await check({ rp: 'no' }, 500, 'retention policy not found: no')
  // Never sent by the relay, which reads lines as InfluxDB does.
  const parse = await send(['m v=\n'])
  assert(parse.kind === 'split' && parse.downTo === 'write', JSON.stringify(parse))
  const some = await send(['m v=\nm v=1 1\n'])
  assert(some.kind === 'partly' && some.refusedCount === undefined, JSON.stringify(some))
  // A point of nothing but a field `time`: InfluxDB refuses it, after the relay let it through.
  const time = await send(['m time=1 1\n'])
  assert.deepEqual(refusedLines(['m time=1 1\n'], time), ['m time=1 1\n'])
})

test("InfluxDB's word on credentials holds the output when they are its own", async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t, { auth: true })
  await influxd.createDatabase('db')
  await influxd.query(`CREATE USER bob WITH PASSWORD 'pw'`)
  const anonymous = await openSender(t, influxd.url)(['m v=1 1\n'])
  assert(anonymous.kind === 'refused' && !anonymous.isUnconfirmed)
  assert.equal(anonymous.reply.status, 401)
  assert.equal(anonymous.reply.authenticate, 'Basic realm="InfluxDB"')
  // That the user may not write to one database must not stop the others.
  for (const [password, status, scope] of [
    ['wrong', 401, 'output'],
    ['pw', 403, 'rights'],
  ] as const) {
    const credentials = { kind: 'basic', username: 'bob', password } as const
    const send = openSender(t, influxd.url, { credentials })
    const verdict = await send(['m v=1 1\n'])
    assert(verdict.kind === 'hold' && verdict.scope === scope, JSON.stringify(verdict))
    assert.equal(verdict.reply.status, status)
  }
})

// InfluxDB copies the name into a header, which no HTTP parser lets pass.
test('a refusal whose header cannot be read is read from its body', async (t) => {
  if (!requireInfluxd(t)) return
  const influxd = await openInfluxd(t)
  const send = openSender(t, influxd.url)
  await influxd.createDatabase('db')
  assert.equal((await send(['m\u0001 v=1i 1\n'])).kind, 'delivered')
  const verdict = await send(['m\u0001 v=1.5 2\n'])
  assert(verdict.kind === 'partly', JSON.stringify(verdict))
  assert.equal(verdict.refusedCount, 1)
  assert.match(verdict.reply.error, /field type conflict/)
})
