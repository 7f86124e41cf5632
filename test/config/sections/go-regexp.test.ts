import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { compileGoRegExp } from '../../../src/config/sections/go-regexp.ts'
import {
  askGo,
  type JudgedCase,
  ownVerdict,
  randomCases,
  recordedVerdicts,
} from '../../support/go-regexp.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { scaled } from '../../support/trials.ts'

test('an expression in Go syntax matches what Go matches', () => {
  const check = (source: string, matching: readonly string[], others: readonly string[]) => {
    const compiled = compileGoRegExp(source)
    assert(compiled.kind === 'ok', `${source}: ${JSON.stringify(compiled)}`)
    const { expression } = compiled
    assert.equal(expression.source, source)
    for (const text of matching) assert(expression.test(Buffer.from(text)), `${source} on ${text}`)
    for (const text of others) assert(!expression.test(Buffer.from(text)), `${source} on ${text}`)
  }
  check('^cpu', ['cpu', 'cpu_total'], ['my_cpu', 'CPU'])
  check('(?i)^cpu', ['CPU'], ['xcpu'])
  check('a(?i)b', ['aB'], ['AB'])
  check('(?is)a.b', ['A\nB'], ['ab'])
  check('(?m)^b$', ['a\nb'], ['ab'])
  check('(?U)a+', ['aa'], ['b'])
  check('a.b', ['axb', 'a\rb', 'a\u2028b'], ['a\nb'])
  check('(?P<x>a)(?<x>b)[(?P<y>]', ['ab?'], ['a', 'abx'])
  check('\\Aab\\z', ['ab'], ['ab\n', 'xab'])
  check('\\Qa.b*\\E+', ['a.b**'], ['axb'])
  check('^[^[:digit:]][[:^alpha:]]$', ['a1'], ['1a'])
  check('^[\\s]\\S$', [' x'], ['\u00A0x', '  '])
  check('a{,2}', ['a{,2}'], ['aa'])
  check('^\\pL\\p{Greek}\\P{L}\\p{^L}$', ['aα1-'], ['a1α-'])
  check('^\\d+\\w\\b', ['1a'], ['٣a'])
  check('😀{2}', ['😀😀'], ['😀'])
})

test('what Go refuses is refused with its reason', () => {
  const check = (source: string, message: string) =>
    assert.deepEqual(compileGoRegExp(source), { kind: 'bad', message }, source)

  check('(?=a)', 'invalid or unsupported Perl syntax: `(?=`')
  check('(?<=a)', 'invalid named capture: `(?<=a)`')
  check('(a)\\1', 'invalid escape sequence: `\\1`')
  check('[a', 'missing closing ]: `[a`')
  check('(a', 'missing closing ): `(a`')
  check('a)', 'unexpected ): `a)`')
  check('*a', 'missing argument to repetition operator: `*`')
  check('a{2,1}', 'invalid repeat count: `{2,1}`')
  check('a{1001}', 'invalid repeat count: `{1001}`')
  check('a\\', 'trailing backslash at end of expression')
  check('(?P<n>a)(?P<n>b)(', 'missing closing ): `(a)(b)(`')
})

test('what is not UTF-8 is matched byte by byte, as by Go', () => {
  const matches = (source: string, ...bytes: number[]) => {
    const compiled = compileGoRegExp(source)
    return compiled.kind === 'ok' && compiled.expression.test(Uint8Array.from(bytes))
  }
  assert(matches('^a.b$', 0x61, 0xff, 0x62))
  assert(!matches('^a.b$', 0x61, 0xe2, 0x84, 0x62))
  assert(matches('^a..b$', 0x61, 0xe2, 0x84, 0x62))
  assert(matches('^\\x{FFFD}$', 0x80))
  assert(!matches('^\\xff$', 0xff))
})

test('of recorded random expressions and names the verdicts are those of Go', () => {
  assertAsGo(recordedVerdicts())
})

test('of new random expressions and names the verdicts are those of Go', (t) => {
  const seed = Number(process.env['RELAY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`RELAY_SEED=${seed}`)
  const judged = askGo(randomCases(seededRandom(seed), scaled(1_000)))
  if (judged === undefined) return t.skip('there is no Go here')
  assertAsGo(judged)
})

test('the time for a name grows with its length, whatever the expression', () => {
  // As a process of its own: an engine that backtracks would never come to an end.
  const module = join(import.meta.dirname, '../../../src/config/sections/go-regexp.ts')
  const program = `
    import { compileGoRegExp } from ${JSON.stringify(module)}
    for (const source of ['^([a-z]+[._]?)+$', '(.*)*x', '(a|aa)+$', '(a|b|ab)*(a|ba)*!c']) {
      const { expression } = compileGoRegExp(source)
      if (expression.test(Buffer.from('a'.repeat(64 * 1024) + '!'))) throw new Error(source)
    }
    console.log('done')`
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(ran.stdout, 'done\n', ran.stderr)
})

function assertAsGo(cases: readonly JudgedCase[]): void {
  assert(cases.some(({ verdict }) => verdict.startsWith('-')))
  assert(cases.some(({ verdict }) => verdict.includes('01')))
  for (const each of cases) {
    // In the words of a refusal the two differ here and there.
    const [own, go] = [ownVerdict(each), each.verdict].map((verdict) =>
      verdict.replace(/^-.*/s, '-'),
    )
    assert.equal(own, go, `${each.expression} on ${each.names.map((name) => name.toString('hex'))}`)
  }
}
