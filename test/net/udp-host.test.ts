import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { test } from 'node:test'
import { askServers, knownAddresses, resolveHost, searchNames } from '../../src/net/udp-host.ts'

const HOSTS = `
# 10.0.0.1 commented
10.0.0.2\tDb.Example.Org db   # the old one
fe80::2 db
10.0.0.3 db
nonsense db
`

test('addresses, hosts file and localhost need no name server; IPv4 comes first', () => {
  const check = (host: string, expected: readonly string[]) => {
    const addresses = knownAddresses(host, HOSTS).map(({ address }) => address)
    assert.deepEqual(addresses, expected, host)
  }
  check('192.0.2.1', ['192.0.2.1'])
  check('::1', ['::1'])
  check('db', ['10.0.0.2', '10.0.0.3', 'fe80::2'])
  check('DB.example.org.', ['10.0.0.2'])
  check('commented', [])
  check('localhost', ['127.0.0.1', '::1'])
  check('a.localhost', ['127.0.0.1', '::1'])
  check('example.org', [])
})

test('a short name is searched in the domains of resolv.conf, as far as ndots says', () => {
  const kubernetes = 'search a.svc.cluster.local svc.cluster.local\noptions timeout:1 ndots:2\n'
  const check = (host: string, conf: string, expected: readonly string[]) =>
    assert.deepEqual(searchNames(host, conf), expected, host)

  check('db', '', ['db'])
  check('db', 'domain lan ; c', ['db.lan', 'db'])
  check('db.a', 'search lan', ['db.a', 'db.a.lan'])
  check('db', kubernetes, ['db.a.svc.cluster.local', 'db.svc.cluster.local', 'db'])
  check('db.b', kubernetes, ['db.b.a.svc.cluster.local', 'db.b.svc.cluster.local', 'db.b'])
  check('db.b.c', kubernetes, ['db.b.c', 'db.b.c.a.svc.cluster.local', 'db.b.c.svc.cluster.local'])
  check('db.', kubernetes, ['db.'])
})

test('a name without addresses leads to the next one, a silent server ends the search', async () => {
  const asked: string[] = []
  const failing = (code: string) => Promise.reject(Object.assign(new Error(code), { code }))
  const resolver = {
    resolve4: (name: string) => {
      asked.push(name)
      return name === 'silent' ? failing('ETIMEOUT') : failing('ENOTFOUND')
    },
    resolve6: (name: string) => (name === 'b' ? Promise.resolve(['::2']) : failing('ENODATA')),
  }
  // The overloads of node's resolver ask for more than is used.
  const typed = resolver as unknown as Parameters<typeof askServers>[0]
  assert.deepEqual(await askServers(typed, ['a', 'b', 'c']), [{ address: '::2', family: 6 }])
  assert.deepEqual(asked, ['a', 'b'])
  await assert.rejects(askServers(typed, ['a', 'c']), { code: 'ENODATA' })
  await assert.rejects(askServers(typed, ['silent', 'b']), { code: 'ETIMEOUT' })
  assert.deepEqual(asked, ['a', 'b', 'a', 'c', 'silent'])
})

// Goal: a stop does not wait for name servers. Method: a real resolver asks a server that never
// answers; its own patience is far longer than the test's.
test('an abort ends a lookup at once, also one that has not begun', {
  timeout: 10_000,
}, async (t) => {
  const server = createSocket('udp4')
  t.after(() => server.close())
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  const resolver = new Resolver({ timeout: 60_000, tries: 4 })
  resolver.setServers([`127.0.0.1:${server.address().port}`])
  const closing = new AbortController()
  const lookup = askServers(resolver, ['db.example', 'db'], closing.signal)
  await once(server, 'message')
  closing.abort()
  await assert.rejects(lookup, { code: 'ECANCELLED' })
  await assert.rejects(askServers(resolver, ['db'], closing.signal), { name: 'AbortError' })
})

test('the real lookup knows localhost', async () => {
  const [first] = await resolveHost('localhost')
  assert.deepEqual(first, { address: '127.0.0.1', family: 4 })
})
