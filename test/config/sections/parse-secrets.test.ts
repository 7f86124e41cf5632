// Certificates: a pair that belongs together is taken, any other is told before anything starts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../src/config/parse-config.ts'

// Made for this test only.
const CERT = `-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUb2iX2zIQ340/AyE/wj61BB6vpyMwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjEwNDU4NTVaGA8yMTI2MTAyODA0NTg1
NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEHX
B2lrTARqBzk5+Kfb4xrzFco2lb3jRkKTXA3DFf432tKI8n2xx+h2EUwNwo2fNOuf
rxzDoxC1dbMdGxTJZO+jUzBRMB0GA1UdDgQWBBT9YAACXzry4U9mCinmYhetTMKx
xjAfBgNVHSMEGDAWgBT9YAACXzry4U9mCinmYhetTMKxxjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAJA0L6T+BGN+xEecfVhJXj2XQwJx3DKup
9Jc8ddFsEQIhAPfOkV5DKbmojBbhwD2FZkNeGbMYIzpUWj1Sf/hUah2V
-----END CERTIFICATE-----
`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggOYXkkCyrld08IjN
v/xMbPhfHqsOJK1lO8EgjBzjcvShRANCAARB1wdpa0wEagc5Ofin2+Ma8xXKNpW9
40ZCk1wNwxX+N9rSiPJ9scfodhFMDcKNnzTrn68cw6MQtXWzHRsUyWTv
-----END PRIVATE KEY-----
`
const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHrhqmgojkW47tRoz
m2kfe2gNg04afUIyOBUhR87ZQXShRANCAATANgrgoG6vyDegftf3u2lPXZnH/20B
SsqynPhoPEJKGSsUHKZwasImsmwI76Z8e1JHmjc42dyfx79cHTiAiCXl
-----END PRIVATE KEY-----
`

const files: Record<string, string> = {
  'cert.pem': CERT,
  'key.pem': KEY,
  'other-key.pem': OTHER_KEY,
  'both.pem': CERT + KEY,
  'torn.pem': CERT + OTHER_KEY,
}

function parse(text: string) {
  const readFile = (path: string) => {
    const content = files[path]
    if (content !== undefined) return content
    throw Object.assign(new Error('no'), { code: path === 'folder' ? 'EISDIR' : 'EACCES' })
  }
  return parseConfig({ path: 'f', text }, { variables: {}, readFile })
}

function relay(keys: string, outputKeys = ''): string {
  return `[[http]]\nbind-addr = ":1"\n${keys}\n[[http.output]]\nlocation = "https://a"\n${outputKeys}\n`
}

test('certificates that belong together are taken, as text', () => {
  const text = relay(
    'ssl-combined-pem = "both.pem"',
    'ca-cert = "cert.pem"\nclient-cert = "cert.pem"\nclient-key = "key.pem"',
  )
  const parsed = parse(text)
  assert(parsed.kind === 'config')
  const [http] = parsed.config.http
  const output = http?.outputs[0]
  assert(output?.kind === 'http')
  assert.equal(http?.tlsPemPath, 'both.pem')
  assert.equal(http?.name, 'https://:1')
  assert.deepEqual([output.tls.ca, output.tls.cert, output.tls.key], [CERT, CERT, KEY])
})

test('a key that is not the certificate’s is told, and so is a file that may not be read', () => {
  const check = (text: string, message: RegExp) => {
    const parsed = parse(text)
    assert(parsed.kind === 'invalid')
    assert.equal(parsed.problems.length, 1)
    assert.match(parsed.problems[0]?.message ?? '', message)
    assert.doesNotMatch(parsed.problems[0]?.message ?? '', /BEGIN|MIG/)
  }
  const mismatch = /^the key is not that of the certificate; /
  check(relay('ssl-combined-pem = "torn.pem"'), mismatch)
  check(relay('', 'client-cert = "cert.pem"\nclient-key = "other-key.pem"'), mismatch)
  check(relay('', 'ca-cert = "folder"'), /^the file "folder" is a folder$/)
  check(relay('', 'ca-cert = "x"'), /^the file "x" may not be read by this user$/)
})
