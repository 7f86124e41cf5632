/**
 * Bodies of line protocol for property tests: nearly valid, in the ways in which scanners may
 * differ.
 */

import fc from 'fast-check'

// Pieces on which scanners may disagree, in an order that is often nearly a line.
const name = fc.constantFrom(
  'm',
  'a',
  'b',
  'x y',
  'a\\ b',
  '\\,',
  '\\=',
  '"',
  '\\\\',
  'é',
  '\xff',
  '\\"',
  '#',
  'a#!~',
  '#!~#',
)
const value = fc.constantFrom(
  ...['1', '1i', '-1.5e3', 't', 'False', '"s"', '"a b"', '"a,b=c"', '"\\""', '"\\\\"', '"a\nb"'],
  ...['""', '"', '"="', '"=\\"', '\\', '1e400', '12345678901234567890123456', 'nan', '\r', '"a"b'],
)
const time = fc.constantFrom(
  '',
  ' ',
  ' 1',
  ' -5',
  '  7 ',
  ' 1600000000000000000',
  ' 1x',
  ' \t',
  '\\',
)
const pair = fc.tuple(name, value).map(([key, text]) => `${key}=${text}`)
const tag = fc.tuple(name, name).map(([key, text]) => `,${key}=${text}`)
const line = fc
  .tuple(
    name,
    fc.array(tag, { maxLength: 3 }),
    fc.array(pair, { minLength: 1, maxLength: 3 }),
    time,
  )
  .map(
    ([measurement, tags, fields, end]) => `${measurement}${tags.join('')} ${fields.join()}${end}`,
  )
const odd = fc.string({ unit: fc.constantFrom(...'\\"\n ,=#\t\0\r1amé'), maxLength: 12 })

/** A few lines, with one piece added or removed, or unchanged. */
export const oddBody = fc
  .array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: odd }), { maxLength: 4 })
  .chain((lines) => fc.tuple(fc.constant(lines.join('\n')), fc.nat(), odd, fc.nat(6)))
  .map(([text, at, piece, kind]) => {
    const i = text.length === 0 ? 0 : at % text.length
    if (kind === 0) return text.slice(0, i) + piece + text.slice(i)
    if (kind === 1) return text.slice(0, i) + text.slice(i + 1)
    return kind < 4 ? `${text}\n` : text
  })
  .map((text) => Buffer.from(text, 'latin1'))

// Ordinary lines of all lengths: names of letters, every kind of value, any timestamp.
const word = fc.string({ unit: fc.constantFrom(...'abcxyzABC019_-./:'), minLength: 1 })
const tagName = fc.oneof(word, fc.constantFrom('host', 'container_id', 'container_name'))
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 40 })
const ordinaryValue = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map((n) => `${n}i`),
  fc.constantFrom('t', 'T', 'true', 'TRUE', 'True', 'f', 'F', 'false', 'FALSE', 'False'),
  fc.tuple(digits, fc.constantFrom('', '.', '-', 'i', 'e5', 'E-12'), digits).map((n) => n.join('')),
  fc.string({ unit: fc.constantFrom(...'abc ,=!#\tü'), maxLength: 40 }).map((text) => `"${text}"`),
)
const ordinaryTime = fc.oneof(
  fc.constant(''),
  fc.constant(' 1700000000000000000'),
  fc.maxSafeInteger().map((n) => ` ${n}`),
  digits.map((text) => ` ${text}`),
)
const ordinaryLine = fc
  .tuple(
    word,
    fc.array(fc.tuple(tagName, word), { maxLength: 5 }),
    fc.array(fc.tuple(word, ordinaryValue), { minLength: 1, maxLength: 5 }),
    ordinaryTime,
  )
  .map(([measurement, tags, fields, end]) => {
    const key = [measurement, ...tags.map((pieces) => pieces.join('='))].join()
    return `${key} ${fields.map((pieces) => pieces.join('=')).join()}${end}`
  })

/** Mostly ordinary lines, some odd lines between them, and a few changed bytes. */
export const ordinaryBody = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 9, arbitrary: ordinaryLine },
        { weight: 1, arbitrary: fc.oneof(line, odd) },
      ),
      { maxLength: 12 },
    ),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
    fc.boolean(),
  )
  .map(([lines, changes, isEnded]) => {
    const body = Buffer.from(lines.join('\n') + (isEnded ? '\n' : ''))
    for (const [at, byte] of changes) if (body.length > 0) body[at % body.length] = byte
    return body
  })
