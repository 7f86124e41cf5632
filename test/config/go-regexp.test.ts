import assert from 'node:assert/strict'
import { test } from 'node:test'
import { translateGoRegExp } from '../../src/config/go-regexp.ts'

test('an expression in Go syntax matches what Go matches', () => {
  const check = (source: string, matching: readonly string[], others: readonly string[]) => {
    const translated = translateGoRegExp(source)
    assert(translated.kind === 'ok', `${source}: ${JSON.stringify(translated)}`)
    for (const text of matching) assert.match(text, translated.expression, source)
    for (const text of others) assert.doesNotMatch(text, translated.expression, source)
  }
  check('^cpu', ['cpu', 'cpu_total'], ['my_cpu', 'CPU'])
  check('(?i)^cpu', ['CPU'], ['xcpu'])
  check('(?is)a.b', ['A\nB'], ['ab'])
  check('(?m)^b$', ['a\nb'], ['ab'])
  check('(?U)a+', ['aa'], ['b'])
  check('a.b', ['axb', 'a\rb', 'a\u2028b'], ['a\nb'])
  check('a(?i:b)c', ['aBc'], ['ABC'])
  check('(?P<x>a)(?<y>b)', ['ab'], ['a'])
  check('\\Aab\\z', ['ab'], ['ab\n', 'xab'])
  check('\\Qa.b*\\E+', ['a.b**'], ['axb'])
  check('\\Qa.b', ['a.b'], ['axb'])
  check('[[:alpha:]_]+$', ['ab_'], ['a1'])
  check('^[^[:digit:]]$', ['a'], ['1'])
  check('^[]a]$', [']', 'a'], ['b'])
  check('^[^]a]$', ['b'], [']'])
  check('^[a[]$', ['['], ['b'])
  check('^[a\\-z]$', ['-', 'z'], ['b'])
  check('^[\\s]\\S$', [' x'], ['\u00A0x', '  '])
  check('disk\\-io\\_\\"x\\"', ['disk-io_"x"'], ['disk_io'])
  check('^a{2}$', ['aa'], ['a'])
  check('a{,2}', ['a{,2}'], ['aa'])
  check('}]', ['}]'], ['}'])
  check('^\\pL\\p{Greek}\\P{L}\\p{^L}$', ['aα1-'], ['a1α-'])
  check('\\x41\\x{42}\\103\\a', ['ABC\u0007'], ['abc'])
  check('^\\d+\\w\\b', ['1a'], ['٣a'])
  check('😀{2}', ['😀😀'], ['😀'])
})

test('what Go refuses, or JavaScript cannot say, is refused with the reason', () => {
  const check = (source: string, message: string) =>
    assert.deepEqual(translateGoRegExp(source), { kind: 'bad', message }, source)

  const lookAround = "look-around such as (?=…) is not part of Go's syntax"
  for (const source of ['(?=a)', '(?!a)', '(?<=a)', '(?<!a)']) check(source, lookAround)
  check('(a)\\1', "back references are not part of Go's syntax")
  check('a(?i)b', 'flags such as (?i) are read at the start only; elsewhere write (?i:…)')
  check('(?z)a', 'the group "(?z)" is not supported')
  check('[a', 'a "[" is not closed')
  check('(a', 'unterminated group')
  check('a)', "unmatched ')'")
  check('*a', 'nothing to repeat')
  check('a{2,1}', 'numbers out of order in {} quantifier')
  check('a\\', 'it ends in a backslash')
  check('\\y', 'the escape "\\y" is not supported')
  check('\\p{Nonsense}', 'invalid property name')
  check('[[:nonsense:]]', 'there is no class "[:nonsense:]"')
  check('[[:^alpha:]]', 'the negated class "[:^alpha:]" is not supported')
})
