// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is the syntax of the file under
// test

// Whatever stands in the file, the answer is a value: a configuration or a list of problems.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseConfig, renderProblem } from '../../src/config/parse-config.ts'
import { renderExample } from '../../src/config/render/example.ts'
import { renderPlan } from '../../src/config/render/plan.ts'
import { KEY_SECTIONS } from '../../src/config/schema/keys.ts'
import { compileGoRegExp } from '../../src/config/sections/go-regexp.ts'
import { propertyRuns } from '../support/property-runs.ts'

const EXAMPLE = Buffer.from(renderExample())
/** The same without comments, so that most mutations hit something. */
const DENSE = Buffer.from(
  `${renderExample()
    .replace(/^# (?=\[\[|[\w-]+ = )(?!log-dir)/gm, '')
    .replace(/^#.*\n/gm, '')}`,
)

function parseAnything(text: string, variables: Record<string, string> = {}): void {
  const readFile = (path: string): string => {
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
  }
  const parsed = parseConfig({ path: 'f', text }, { variables, readFile })
  if (parsed.kind === 'config') {
    assert(renderPlan(parsed.config).endsWith('\n'))
    return
  }
  assert(parsed.problems.length > 0)
  const lineCount = text.split('\n').length
  for (const problem of parsed.problems) {
    assert(problem.line >= 0 && problem.line <= lineCount, JSON.stringify(problem))
    assert.doesNotMatch(renderProblem('f', problem), /[\r\n]/)
  }
}

test('the example with bytes changed never throws', () => {
  const change = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2), fc.uint8Array({ maxLength: 8 }))
  const changes = fc.array(change, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.constantFrom(EXAMPLE, DENSE), changes, (original, edits) => {
      let bytes = original
      for (const [position, removed, added] of edits) {
        const at = position % bytes.length
        bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)])
      }
      parseAnything(bytes.toString('utf8'))
    }),
    propertyRuns(2_000),
  )
})

test('any text never throws', () => {
  const words = fc.constantFrom(
    ...KEY_SECTIONS.flatMap(({ header, keys }) => [header, ...keys.map((key) => key.name)]),
    ...[
      ' ',
      '\n',
      '=',
      '.',
      ',',
      '"',
      "'",
      '"""',
      "'''",
      '[',
      ']',
      '[[',
      ']]',
      '{',
      '}',
      '#',
      '\\',
    ],
    ...[
      '1',
      '-0',
      '1e999',
      'nan',
      'inf',
      'true',
      '1979-05-27',
      '07:32:00',
      '0x1',
      '"10s"',
      '"${A}"',
    ],
    ...['\uFEFF', '\r\n', '\0', '__proto__', 'constructor', 'toString', '\\uD800', '\uD800'],
  )
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: words }))
  fc.assert(
    fc.property(text, (given) => parseAnything(given)),
    propertyRuns(2_000),
  )
})

test('any value in any key never throws', () => {
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.webUrl(), fc.double())
  const value = fc.oneof(scalar, fc.array(scalar), fc.array(fc.constant('${HOME}')))
  const toToml = (given: unknown): string =>
    typeof given === 'number' && !Number.isFinite(given)
      ? String(given).toLowerCase().replace('infinity', 'inf')
      : JSON.stringify(given)
  const section = fc.constantFrom(...KEY_SECTIONS)
  const entry = fc.tuple(fc.nat(), value)
  fc.assert(
    fc.property(section, fc.array(entry), fc.constantFrom('http', 'udp'), (at, entries, kind) => {
      const header = at.header === 'endpoints' ? `[${kind}.output.endpoints]` : at.header
      const keys = at.keys.map((key) => key.name)
      const lines = entries.map(
        ([index, given]) => `${keys[index % keys.length]} = ${toToml(given)}`,
      )
      const outer = header.includes('.') ? `[[${kind}]]\n[[${kind}.output]]\n` : ''
      parseAnything(`${outer}${header}\n${[...new Set(lines)].join('\n')}\n`)
    }),
    propertyRuns(2_000),
  )
})

test('any variable never throws', () => {
  const name = fc.constantFrom(
    ...KEY_SECTIONS.flatMap(({ header, keys }) => {
      const path = header.replace(/[[\]]/g, '').replace('http.output', 'http_0_output_0')
      return keys.map(({ name }) => `RELAY_${path}_${name}`.toUpperCase().replace(/-/g, '_'))
    }),
  )
  fc.assert(
    fc.property(fc.dictionary(name, fc.string()), (variables) =>
      parseAnything(renderExample(), variables),
    ),
    propertyRuns(200),
  )
})

test('a password is never shown, however broken the location around it', () => {
  const secret = 's3cr3t'
  const noise = fc.string({ unit: fc.constantFrom(...':/?#[]@ a1.%&=\\"'), maxLength: 6 })
  fc.assert(
    fc.property(
      noise,
      noise,
      noise,
      fc.constantFrom('http', 'udp'),
      (before, after, host, kind) => {
        const location = `http://${before}${secret}${after}@${host}:1/write?p=${secret}`
        const text = `[[${kind}]]\nbind-addr = ":1"\noutput = [ { location = ${JSON.stringify(location)} } ]`
        const readFile = () => assert.fail('nothing to read')
        const parsed = parseConfig({ path: 'f', text }, { variables: {}, readFile })
        const shown =
          parsed.kind === 'config'
            ? renderPlan(parsed.config).replace(/user ".*", password/g, '')
            : parsed.problems.map((problem) => renderProblem('f', problem)).join('\n')
        assert(!shown.includes(secret), shown)
      },
    ),
    propertyRuns(2_000),
  )
})

test('any expression is compiled or refused', () => {
  const unit = fc.constantFrom(...'\\[]()^$.|*+?{}-:abQEpPx0123456789<>!=iMsu😀é')
  fc.assert(
    fc.property(fc.string({ unit }), (source) => {
      const compiled = compileGoRegExp(source)
      assert(compiled.kind === 'ok' || compiled.message !== '')
    }),
    propertyRuns(2_000),
  )
})
