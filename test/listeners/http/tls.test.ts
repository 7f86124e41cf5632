/**
 * HTTPS: one PEM file, TLS 1.2 at least, and clear words when the file cannot be used.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { RelayError } from '../../../src/std/errors.ts'
import { openTestListener } from '../../support/http-fixture.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/**
 * Made for these tests, for localhost and a hundred years; known to everybody, secret to nobody.
 */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUJimux/G4dDEnUpi/0ra3X1VlPj8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA1MzUyNFoYDzIxMjYxMDI4
MDUzNTI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQzBBQiluFRYILnuT49D/8HLM3FBQ+myE6UYv0q3SBu1bpXJgIgY/1O
X6jrM0+pd8oIl+IeInla3PMSCQ5h1R0So28wbTAdBgNVHQ4EFgQUlncguD6gEbmS
KhJlXTs6vu6NPPkwHwYDVR0jBBgwFoAUlncguD6gEbmSKhJlXTs6vu6NPPkwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgQWMBFgqdRMmtM3XycYjqSVXCNom+oO7BspS7BFb/jsgCIQCh
kZHnzk4UVCq0k+TjmljlgNoPQ36UB2Q8wcDEu2PH8w==
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtntcPnxfsve6nA2h
S2hvFH1yPEP/3Y6dyAUxiiF/M0qhRANCAAQzBBQiluFRYILnuT49D/8HLM3FBQ+m
yE6UYv0q3SBu1bpXJgIgY/1OX6jrM0+pd8oIl+IeInla3PMSCQ5h1R0S
-----END PRIVATE KEY-----
`

async function post(url: string, body: string): Promise<number | undefined> {
  const outgoing = request(url, { method: 'POST', ca: CERTIFICATE, agent: false })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response')
  response.resume()
  return response.statusCode
}

test('a write over TLS is a write, with certificate and key in one file in either order', async (t) => {
  const folder = await temporaryFolder(t)
  for (const pem of [CERTIFICATE + KEY, KEY + CERTIFICATE]) {
    const tlsPemPath = join(folder, 'both.pem')
    await writeFile(tlsPemPath, pem)
    await using http = await openTestListener({ config: { tlsPemPath } })
    assert.equal(await post(`${http.url}/write?db=a`, 'm v=1 1'), 204)
    assert.deepEqual(http.bodies(), ['m v=1 1\n'])
  }
})

test('TLS below 1.2 and plain HTTP are not talked to', async (t) => {
  const tlsPemPath = join(await temporaryFolder(t), 'both.pem')
  await writeFile(tlsPemPath, CERTIFICATE + KEY)
  await using http = await openTestListener({ config: { tlsPemPath } })
  const port = Number(new URL(http.url).port)
  const old = connect({
    host: '127.0.0.1',
    port,
    ca: CERTIFICATE,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  })
  await assert.rejects(once(old, 'secureConnect'))
  await assert.rejects(fetch(http.url.replace('https', 'http')))
  assert.equal(await post(`${http.url}/write?db=a`, 'm v=1 1'), 204)
})

test('a certificate file that cannot be used is named with what is wrong with it', async (t) => {
  const folder = await temporaryFolder(t)
  const otherKey = KEY.replace(/\n.{20}/, (text) => [...text].reverse().join(''))
  const check = async (name: string, pem: string | undefined, expected: RegExp) => {
    const tlsPemPath = join(folder, name)
    if (pem !== undefined) await writeFile(tlsPemPath, pem)
    await assert.rejects(openTestListener({ config: { tlsPemPath } }), (error) => {
      assert(error instanceof RelayError)
      assert.equal(error.code, 'RELAY_CERTIFICATE_UNREADABLE')
      assert.match(error.message, expected)
      assert(error.message.includes(tlsPemPath))
      assert.doesNotMatch(error.message, /BEGIN/)
      return true
    })
  }
  await check('missing.pem', undefined, /ENOENT/)
  await check('empty.pem', '', /no certificate in it/)
  await check('key.pem', KEY, /no certificate in it/)
  await check('certificate.pem', CERTIFICATE, /no private key in it/)
  await check('garbage.pem', CERTIFICATE + otherKey, /cannot be used/)
})

test('a connection that is closed for want of memory is counted as that, and not as malformed', async (t) => {
  const tlsPemPath = join(await temporaryFolder(t), 'both.pem')
  await writeFile(tlsPemPath, CERTIFICATE + KEY)
  await using http = await openTestListener({ config: { tlsPemPath } })
  const { clients } = http.memory
  let takenBytes = 0
  for (let bytes = 2 ** 30; bytes >= 1; bytes /= 2) {
    if (clients.tryTake(bytes)) takenBytes += bytes
  }
  for (let count = 0; count < 3; count++) {
    await assert.rejects(post(`${http.url}/write?db=a`, 'm v=1 1'))
  }
  clients.giveBack(takenBytes)
  assert.equal(await post(`${http.url}/write?db=a`, 'm v=1 1'), 204)
  await http[Symbol.asyncDispose]() // All that there is to count has been counted.
  const { refusedConnections, malformedRequests } = http.listener.snapshot().counters
  assert.deepEqual([refusedConnections, malformedRequests], [3, 0])
})
