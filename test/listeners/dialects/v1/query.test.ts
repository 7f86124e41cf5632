import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findStatement } from '../../../../src/listeners/dialects/v1/query.ts'

const FORM = 'application/x-www-form-urlencoded'

function find(query: string, contentType = '', body = ''): string {
  return findStatement({ query, contentType, body: Buffer.from(body) }).text
}

test('a statement is found in the URL, in a form, and in a part of a multipart body', () => {
  assert.equal(find('q=A+B'), 'A B')
  assert.equal(find('', FORM, 'db=x&q=%20A%20B%20'), 'A B')
  assert.equal(find('', `${FORM}; charset=utf-8`, 'q=A'), 'A')
  assert.equal(find('q=URL', FORM, 'q=FORM'), 'FORM')
  assert.equal(find('q=URL', FORM, 'db=x'), 'URL')
  const parts = [
    ['name="db"', 'x'],
    ['name="q"; filename="q.sql"', 'CREATE DATABASE é'],
  ]
  const body = parts
    .map(([name, text]) => `--b\r\nContent-Disposition: form-data; ${name}\r\n\r\n${text}\r\n`)
    .join('')
  assert.equal(find('', 'multipart/form-data; boundary=b', `${body}--b--\r\n`), 'CREATE DATABASE é')
})

test('a statement of bytes that are no text is found, and known for that', () => {
  const isUtf8 = (query: string, contentType = '', body = '') =>
    findStatement({ query, contentType, body: Buffer.from(body, 'latin1') }).isUtf8
  assert.equal(isUtf8('q=%C3%A9'), true)
  assert.equal(isUtf8('q=%E9'), false)
  assert.equal(isUtf8('q=a', FORM, 'q=%E9'), false)
  assert.equal(isUtf8('q=%E9', FORM, 'q=a'), true)
  const part = '--b\r\nContent-Disposition: form-data; name="q"\r\n\r\n\xe9\r\n--b--\r\n'
  assert.equal(isUtf8('', 'multipart/form-data; boundary=b', part), false)
})

test('where there is no statement, none is found', () => {
  assert.equal(find(''), '')
  assert.equal(find('q='), '')
  assert.equal(find('', 'text/plain', 'q=A'), '')
  assert.equal(find('', '', 'q=A'), '')
  assert.equal(find('', 'multipart/form-data', 'q=A'), '')
  assert.equal(find('', 'multipart/form-data; boundary=b', '--b\r\n--b--'), '')
})
