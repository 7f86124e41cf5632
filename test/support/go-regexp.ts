/**
 * Random expressions and names for the filters, and the results of Go's own `regexp` for them.
 *
 * go-regexp-verdicts.jsonl has Go's results for a few hundred, for machines without Go; `node
 * test/support/go-regexp.ts` writes the file again.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileGoRegExp } from '../../src/config/sections/go-regexp.ts'
import { between, type Random, seededRandom } from './seeded-random.ts'

const PROGRAM = join(import.meta.dirname, 'go-regexp.go')
const VERDICTS = join(import.meta.dirname, 'go-regexp-verdicts.jsonl')
const NAMES_EACH = 8

export interface RegExpCase {
  readonly expression: string
  readonly names: readonly Buffer[]
}

export interface JudgedCase extends RegExpCase {
  /** `-` and the reason of a refusal; else one digit for each name: 1 = match. */
  readonly verdict: string
}

export function ownVerdict({ expression, names }: RegExpCase): string {
  const compiled = compileGoRegExp(expression)
  if (compiled.kind === 'bad') return `-error parsing regexp: ${compiled.message}`
  return names.map((name) => (compiled.expression.test(name) ? '1' : '0')).join('')
}

/** @returns `undefined` if Go is not installed */
export function askGo(cases: readonly RegExpCase[]): readonly JudgedCase[] | undefined {
  const input = cases.map(({ expression, names }) =>
    JSON.stringify({ expression, names: names.map((name) => name.toString('base64')) }),
  )
  const ran = spawnSync('go', ['run', PROGRAM], {
    input: `${input.join('\n')}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (ran.error !== undefined) return undefined
  if (ran.status !== 0) throw new Error(`go run failed: ${ran.stderr}`)
  const verdicts = ran.stdout.split('\n')
  return cases.map((given, index) => ({
    ...given,
    verdict: String(JSON.parse(verdicts[index] ?? '')),
  }))
}

export function recordedVerdicts(): readonly JudgedCase[] {
  return readFileSync(VERDICTS, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { expression, names, verdict } = JSON.parse(line) as {
        readonly expression: string
        readonly names: readonly string[]
        readonly verdict: string
      }
      return { expression, verdict, names: names.map((name) => Buffer.from(name, 'base64')) }
    })
}

/** Two of three follow the grammar, so that most can be compiled; the others are any characters. */
export function randomCases(random: Random, count: number): readonly RegExpCase[] {
  return Array.from({ length: count }, () => ({
    expression: random() < 0.67 ? sentence(random, 4) : soup(random),
    names: Array.from({ length: NAMES_EACH }, () => randomName(random)),
  }))
}

const LITERALS = [...'abcABkKs_.0é\u212Aα😀 -\n', '\u017F', 'cpu', 'mem', 'host'].map(escaped)
const CLASSES = [
  ...['.', '\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '[a-c]', '[^a-c]', '[]a]', '[^]a]', '[a\\-z]'],
  ...['[[:alpha:]_]', '[[:^digit:]]', '[^[:space:]b]', '[[:word:]]', '\\pL', '\\PL', '\\p{Greek}'],
  ...[
    '\\p{^Greek}',
    '\\P{^Lu}',
    '[\\pL\\d]',
    '[^\\PL]',
    '\\p{Any}',
    '\\x41',
    '\\x{1F600}',
    '\\101',
  ],
  ...['[\\x{80}-\\x{10FFFF}]', '[^\\n]', '[\\s\\S]', '\\a', '\\t', '[é-ü]', '\\x{FFFD}'],
]
const ANCHORS = ['^', '$', '\\A', '\\z', '\\b', '\\B', '(?m:^)', '(?m:$)']
const REPEATS = ['*', '+', '?', '*?', '+?', '??', '{2}', '{1,3}', '{,2}', '{2,}', '{0}', '{1,2}?']
const OPENINGS = [
  '(',
  '(?P<n>',
  '(?:',
  '(?i:',
  '(?s:',
  '(?U:',
  '(?-s:',
  '(?P<n>',
  '(?<n>',
  '(?im-s:',
]
const FLAGS = ['(?i)', '(?s)', '(?m)', '(?U)', '(?ims)', '(?i-s)']

function sentence(random: Random, depth: number): string {
  const alternatives = Array.from({ length: random() < 0.3 ? between(random, 2, 3) : 1 }, () =>
    Array.from({ length: between(random, 1, 4) }, () => term(random, depth)).join(''),
  )
  return alternatives.join('|')
}

function term(random: Random, depth: number): string {
  const dice = random()
  if (dice < 0.1) return pick(random, ANCHORS)
  if (dice < 0.13) return pick(random, FLAGS)
  if (dice < 0.15) return `\\Q${pick(random, LITERALS)}\\E`
  const atom =
    dice < 0.3 && depth > 0
      ? `${pick(random, OPENINGS)}${sentence(random, depth - 1)})`
      : pick(random, dice < 0.6 ? CLASSES : LITERALS)
  return random() < 0.35 ? `${atom}${pick(random, REPEATS)}` : atom
}

const SOUP = [...'\\[]()^$.|*+?{}-:,abQEpPxzAdDwWsSbB0123456789<>!=iMsuU_é😀\n&~/ ']

function soup(random: Random): string {
  return Array.from({ length: between(random, 0, 10) }, () => pick(random, SOUP)).join('')
}

/**
 * Pieces of names: ordinary ones, characters with unusual case folding, and bytes that are not
 * UTF-8.
 */
const PIECES: readonly Buffer[] = [
  ...['a', 'b', 'c', 'A', 'B', 'k', 'K', '\u212A', 's', 'ſ', '_', '.', '0', '9', '-', ' ', '\n'],
  ...['é', 'α', 'Σ', 'ς', '😀', '\uFFFD', 'cpu', 'mem', 'host', 'x', ']', '\t', '\u0007', '\u00A0'],
]
  .map((text) => Buffer.from(text))
  .concat(
    [[0xff], [0xc3], [0xe2, 0x84], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0x80], [0xc0, 0x80]].map(
      (bytes) => Buffer.from(bytes),
    ),
  )

function randomName(random: Random): Buffer {
  return Buffer.concat(Array.from({ length: between(random, 0, 6) }, () => pick(random, PIECES)))
}

function pick<T>(random: Random, list: readonly T[]): T {
  const picked = list[Math.floor(random() * list.length)]
  if (picked === undefined) throw new Error('BUG: nothing to pick from')
  return picked
}

function escaped(text: string): string {
  return text.replace(/[.+*?()[\]{}|^$\\]/g, '\\$&')
}

if (import.meta.main) {
  const judged = askGo(randomCases(seededRandom(1), 400))
  if (judged === undefined) throw new Error('there is no Go here')
  const lines = judged.map(({ expression, names, verdict }) =>
    JSON.stringify({ expression, names: names.map((name) => name.toString('base64')), verdict }),
  )
  writeFileSync(VERDICTS, `${lines.join('\n')}\n`)
}
