// What `-check` passes works, for every key: each edge of its values is either refused, by the
// key's own name, or the service opens with it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ParsedConfig, parseConfig } from '../../src/config/parse-config.ts'
import { KEY_SECTIONS, type KeySection } from '../../src/config/schema/keys.ts'
import { openHeap } from '../../src/process/v8-heap.ts'
import { openService } from '../../src/service.ts'
import { systemClock } from '../../src/std/clock.ts'
import { SILENT } from '../support/scripted-relay.ts'

const EDGES = [
  ...['0', '-1', '1', '2', '1.5', '1e300', '9007199254740993', 'nan', 'true'],
  ...['""', '" "', '"\\t"', '"x"', '"*"', '"ä"', '"0s"', '"-1s"', '"1ns"', '"87600h"', '"24h"'],
  ...['[]', '["a"]', '{}', '1979-05-27'],
]
/** They name places: see the tests of their own. */
const PLACES = ['log-dir', 'location', 'password-file', 'token-file', 'ca-cert', 'client-cert']

function parse(text: string): ParsedConfig {
  const readFile = (path: string): string => {
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
  }
  return parseConfig({ path: 'f', text }, { variables: {}, readFile })
}

/** A configuration that works without the key. */
function textWith(section: KeySection, name: string, value: string): string {
  const key = `${JSON.stringify(name)} = ${value}\n`
  const at = (header: string) => (section.header === header ? key : '')
  const address = (header: string) =>
    section.header === header && name === 'bind-addr' ? '' : 'bind-addr = "127.0.0.1:0"\n'
  const isUdp = name === 'mtu'
  const isFile = name.startsWith('max-file')
  const output = (location: string, extra: string) =>
    `[[http.output]]\nname = "o"\nlocation = "${location}"\n${extra}`
  const own = section.header === '[[http.output]]' && name === 'name' ? '' : 'name = "o"\n'
  const location = isUdp ? 'udp://127.0.0.1:9' : isFile ? 'file:/dev/null' : 'http://127.0.0.1:9'
  const endpoints = section.header === 'endpoints' ? `[http.output.endpoints]\n${key}` : ''
  return [
    at(''),
    `[admin]\n${address('[admin]')}${at('[admin]')}`,
    `[[http]]\n${address('[[http]]')}${at('[[http]]')}`,
    `[[http.output]]\n${own}location = "${location}"\n${at('[[http.output]]')}`,
    endpoints,
    `[[udp]]\n${address('[[udp]]')}${at('[[udp]]')}`,
    output('udp://127.0.0.1:9', '').replace('http.output', 'udp.output'),
    section.header === '[[filter]]'
      ? `[[filter]]\n${name === 'outputs' ? '' : 'outputs = ["o"]\n'}${key}`
      : '',
  ].join('\n')
}

for (const section of KEY_SECTIONS) {
  test(`every edge of the keys of "${section.header}" is refused by name, or works`, async () => {
    for (const { name } of section.keys.filter((key) => !PLACES.includes(key.name))) {
      for (const value of EDGES) {
        const parsed = parse(textWith(section, name, value))
        const what = `${section.header} ${name} = ${value}`
        if (parsed.kind === 'invalid') {
          const paths = parsed.problems.map(({ keyPath }) => keyPath).join(' ')
          assert.match(paths, new RegExp(`${name}|client-key|password`), what)
          continue
        }
        const service = await openService({
          ...{ config: parsed.config, version: '1', clock: systemClock, random: Math.random },
          ...{ logger: SILENT, heap: openHeap() },
        }).catch((error: unknown) => assert.fail(`${what}: ${error}`))
        await service.stop()
      }
    }
  })
}
