/**
 * G2, its limit: what would kill or corrupt a database is refused with 400.
 *
 * Each of these ends InfluxDB 1.6.7, makes it answer 500 with nothing of the request stored, or is
 * taken by it and damages the shard at its next start (all measured). Each comes among ordinary
 * lines, through the whole program, to two real servers. They must not notice, and what ordinary
 * clients write before and after must be there, also after a restart of the servers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Influxd, openInfluxd, requireInfluxd } from '../support/influxd.ts'
import { relayConfig } from '../support/relay-config.ts'
import { type RelayProcess, startRelayProcess } from '../support/relay-process.ts'

/** Lines as latin1, so that they can hold any byte. */
const PANICS = [
  'm a\\\\="="',
  'm a\\\\="=" 1',
  'm,t=x a\\\\="="',
  'm a\\\\\\\\="="',
  'm b=1,a\\\\="="',
  'm a=",b"=1,"="',
  'm \\0=","=3,"="',
  '0 \\\\="="',
]
const ANSWERED_500 = [
  'm a\\\\="=\\="',
  'm a\\\\="=="',
  'm a\\\\="=i\\="',
  '" ,"="=",=nAL,","=""',
  'm\xff v=1',
  'm\xe2\x82 v=1',
  'm v\xff=1',
  'm\xed\xa0\x80 v=1',
  'm v\xc0\x80=1',
]
const DAMAGES = [
  'm,t=#!~#\xff v=1',
  'm,t=#!~#,u=\xff v=1',
  'm#!~#,t=\xff v=1',
  'm,\xff#!~#=a v=1',
  'm,t=#!~ v=1',
  'm,t=a#!~#b v=1',
  'm#!~#x v=1',
  'm#!~ v=1',
]

async function pairBehindRelay(t: Parameters<typeof openInfluxd>[0]) {
  const [a, b] = await Promise.all([openInfluxd(t), openInfluxd(t)])
  await Promise.all([a, b].map((server) => server.createDatabase('db')))
  const config = await relayConfig({ outputs: [a.url, b.url] })
  const relay = await startRelayProcess({ config: config.toml })
  t.after(() => relay[Symbol.asyncDispose]())
  const pids = [a.pid, b.pid]
  let time = 0
  /** Ordinary clients go on, and both servers are the processes that they were. */
  const assertUnharmed = async (what: string) => {
    assert.equal((await relay.write(`ordinary v=${++time} ${time}`, 'db=db')).status, 204, what)
    for (const server of [a, b]) {
      assert.equal((await server.write(`ping v=1 ${time}`)).status, 204, what)
    }
    assert.deepEqual([a.pid, b.pid], pids, what)
  }
  return { a, b, relay, assertUnharmed, writes: () => time }
}

async function assertRefused(relay: RelayProcess, line: string): Promise<void> {
  const body = Buffer.from(`good,n=1 v=1 1\n${line}\ngood,n=2 v=2 2\n`, 'latin1')
  const check = async (query: string, sent: Buffer, headers = {}) => {
    const { status, body: answer } = await relay.write(sent, query, headers)
    assert.equal(status, 400, `${line}: ${answer}`)
    assert.match(answer, /^{"error":"unable to parse '/)
  }
  await check('db=db', body)
  await check('db=db&precision=s', body)
  await check('db=db', gzipSync(body), { 'Content-Encoding': 'gzip' })
  await check('db=db', Buffer.from(line, 'latin1'))
}

/** Nothing of a refused request is stored, and a shard that was harmed would not open again. */
async function assertSamePoints(servers: readonly Influxd[], ordinary: number): Promise<void> {
  for (const server of servers) {
    await server.kill('SIGKILL')
    await server.start()
    const points = await server.points('db')
    assert.equal(points.filter((point) => point.startsWith('ordinary ')).length, ordinary)
    assert.deepEqual(
      points.filter((point) => !/^(ordinary|ping) /.test(point)),
      [],
    )
    assert.equal((await server.write('after v=1 1')).status, 204)
  }
}

test('a line that would kill or damage InfluxDB is refused among ordinary ones', async (t) => {
  if (!requireInfluxd(t)) return
  const { a, b, relay, assertUnharmed, writes } = await pairBehindRelay(t)
  for (const line of [...PANICS, ...ANSWERED_500, ...DAMAGES]) {
    await assertRefused(relay, line)
    await assertUnharmed(line)
  }
  await assertSamePoints([a, b], writes())
})

test('a request whose answer the outputs could not read is refused', async (t) => {
  if (!requireInfluxd(t)) return
  const { a, b, relay, assertUnharmed, writes } = await pairBehindRelay(t)
  for (const name of ['%00', '%01', 'x%0Ay', '%7F']) {
    const { status, body } = await relay.write('good v=1 1', `db=db&rp=${name}`)
    assert.equal(status, 400, body)
    await assertUnharmed(name)
  }
  await assertSamePoints([a, b], writes())
})
