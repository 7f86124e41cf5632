// The table of keys is the one truth: the example, the documentation and the defaults agree with
// it.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseConfig, renderProblem } from '../../../src/config/parse-config.ts'
import { renderExample } from '../../../src/config/render/example.ts'
import { KEY_SECTIONS } from '../../../src/config/schema/keys.ts'

const textOf = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')

function configOf(path: string, text: string) {
  const readFile = () => assert.fail('no file is named in it')
  const parsed = parseConfig({ path, text }, { variables: {}, readFile })
  if (parsed.kind === 'config') return parsed.config
  return assert.fail(parsed.problems.map((problem) => renderProblem(path, problem)).join('\n'))
}

test('relay.toml.example is what the table of keys renders to', () => {
  assert.equal(textOf('relay.toml.example'), renderExample())
})

test('relay.toml.example has every key with its default', () => {
  const lines = renderExample()
    .split('\n')
    .map((line) => line.replace(/^# /, ''))
  for (const { header, keys } of KEY_SECTIONS) {
    for (const { name, defaultText } of keys) {
      // Endpoints stand in one line, as a table within the output.
      const wanted = header === 'endpoints' ? `${name} = ${defaultText}` : `${name} = `
      assert(
        lines.some((line) => line.includes(wanted)),
        `${header} ${wanted}`,
      )
    }
  }
})

test('relay.toml.example runs as it is, and uncommenting a default changes nothing', () => {
  const example = renderExample()
  const config = configOf('relay.toml.example', example)
  assert.equal(config.http[0]?.outputs.length, 2)
  assert.equal(config.udp[0]?.outputs.length, 2)
  // All but the durable log, which is not there yet, and what a comment block begins.
  const commentedTables = /^# \[\[[\s\S]*?(?=\n\n|$(?![\s\S]))/gm
  const uncommented = example
    .replace(commentedTables, '')
    .replace(/^# (?!log-dir)(?=[\w-]+ = )/gm, '')
  assert.notEqual(uncommented, example)
  const { admin, http, ...others } = configOf('relay.toml.example', uncommented)
  // The one key whose absence has no spelling: InfluxDB's limit is no number of MiB.
  assert(http.every(({ maxBodyBytes }) => maxBodyBytes === 25 * 1_048_576))
  const withItsDefault = http.map((relay) => ({ ...relay, maxBodyBytes: 25_000_000 }))
  const isConfigured = false
  assert.deepEqual({ ...others, http: withItsDefault, admin: { ...admin, isConfigured } }, config)
})

test('every commented table of the example is one that parses', () => {
  const text = renderExample().replace(/^# (?=\[\[|[\w-]+ = )(?!log-dir)/gm, '')
  const config = configOf('relay.toml.example', text)
  assert.equal(config.http[0]?.outputs[2]?.kind, 'file')
  assert.equal(config.udp[0]?.outputs[1]?.filters.length, 1)
})

test('quick-start.toml runs without a database', () => {
  const config = configOf('quick-start.toml', textOf('quick-start.toml'))
  const address = { host: '127.0.0.1', port: 9096 }
  assert.deepEqual(
    [...config.http, ...config.udp].map((relay) => [relay.kind, relay.bindAddress]),
    [
      ['http', { kind: 'tcp', ...address }],
      ['udp', { kind: 'udp', ...address }],
    ],
  )
  const paths = [...config.http, ...config.udp].flatMap((relay) =>
    relay.outputs.map((output) => (output.kind === 'file' ? output.path : output.kind)),
  )
  assert.deepEqual(paths, [
    'quick-start-data/a.lp',
    'quick-start-data/b.lp',
    'quick-start-data/udp-a.lp',
    'quick-start-data/udp-b.lp',
  ])
})

test('docs/configuration.md has a row for every key: default, meaning, what happens at the limit', () => {
  const rows = textOf('docs/configuration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.replaceAll(/ +/g, ' ')) // Columns are padded by the formatter.
  for (const { header, keys } of KEY_SECTIONS) {
    for (const { name, defaultText, kind, doc, atLimit } of keys) {
      const shownDefault = defaultText === '""' ? '' : `\`${defaultText}\``
      const cell = shownDefault === '' ? '| |' : `| ${shownDefault} |`
      const beginning = `| \`${name}\` | ${kind.label} ${cell} ${doc}`
      const end = atLimit === '' ? '| |' : `| ${atLimit} |`
      assert(
        rows.some((row) => row.startsWith(beginning) && row.endsWith(end)),
        `${header}: ${beginning} … ${end}`,
      )
    }
  }
})
