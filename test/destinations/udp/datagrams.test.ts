import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packDatagrams } from '../../../src/destinations/udp/datagrams.ts'

const MTU = 100

/** One line of exactly `bytes` bytes, its newline not counted. */
function lineOf(bytes: number, name = 'm'): string {
  const around = `${name},t= v=1 1`.length
  return `${name},t=${'x'.repeat(bytes - around)} v=1 1`
}

function pack(texts: readonly string[], mtu = MTU) {
  const writes = texts.map((text) => {
    return { body: Buffer.from(text), lineCount: text.split(' 1\n').length - 1 }
  })
  const { datagrams, tooLong } = packDatagrams(writes, mtu)
  return { texts: datagrams.map(({ bytes }) => bytes.toString()), datagrams, tooLong }
}

test('a line of mtu - 1, mtu bytes and its newline fits, one of mtu + 1 is left out and told', () => {
  const check = (bytes: number, sent: readonly string[], lost: number) => {
    const { texts, tooLong } = pack([`${lineOf(bytes)}\n`])
    assert.deepEqual(texts, sent, `${bytes} bytes`)
    assert.equal(tooLong.length, lost, `${bytes} bytes`)
  }
  check(MTU - 1, [`${lineOf(MTU - 1)}\n`], 0)
  check(MTU, [lineOf(MTU)], 0)
  check(MTU + 1, [], 1)
  check(3 * MTU, [], 1)
})

test('a line over the mtu is left out alone: those around it, in every write, go out in order', () => {
  const long = lineOf(MTU + 1)
  const first = `${lineOf(20, 'a')}\n${long}\n${lineOf(20, 'b')}\n${long}\n`
  const { texts, tooLong } = pack([first, `${lineOf(20, 'c')}\n`, `${long}\n`])
  assert.deepEqual(texts, [`${lineOf(20, 'a')}\n${lineOf(20, 'b')}\n${lineOf(20, 'c')}\n`])
  assert.deepEqual(tooLong, [
    { writeIndex: 0, lineCount: 2 },
    { writeIndex: 2, lineCount: 1 },
  ])
})

test('small neighbours leave together, up to the mtu to the byte', () => {
  const half = `${lineOf(49)}\n`
  assert.deepEqual(pack([half, half]).texts, [half + half])
  // The last newline may be cut to make the second fit, a byte more may not.
  const [a, b] = [`${lineOf(48, 'a')}\n`, `${lineOf(49, 'b')}\n`]
  const c = `${lineOf(30, 'c')}\n`
  assert.deepEqual(pack([a, c, `${lineOf(19, 'd')}\n`]).texts, [`${a + c + lineOf(19, 'd')}\n`])
  assert.deepEqual(pack([a, c, `${lineOf(20, 'd')}\n`]).texts, [a + c + lineOf(20, 'd')])
  assert.deepEqual(pack([a, c, `${lineOf(21, 'd')}\n`]).texts, [a + c, `${lineOf(21, 'd')}\n`])
  assert.deepEqual(pack([a, b, a]).texts, [a + b, a])
})

test('a write above half of the mtu goes alone and uncopied, what waited before it goes first', () => {
  const small = `${lineOf(20)}\n`
  const body = Buffer.from(`${lineOf(60)}\n`)
  const lines = (text: string) => ({ body: Buffer.from(text), lineCount: 1 })
  const writes = [lines(small), { body, lineCount: 1 }, lines(small)]
  const { datagrams } = packDatagrams(writes, MTU)
  assert.deepEqual(
    datagrams.map(({ bytes }) => bytes.toString()),
    [small, body.toString(), small],
  )
  assert.equal(datagrams[1]?.bytes.buffer, body.buffer)
  assert.equal(datagrams[1]?.bytes.byteOffset, body.byteOffset)
})

test('a newline inside a quoted string is no place to cut', () => {
  const line = `m s="${'a\n'.repeat(20)}\\"\n b" 1`
  const body = `${line}\n`.repeat(5)
  const { texts, tooLong } = pack([body], line.length + 10)
  assert.deepEqual(texts, Array(5).fill(`${line}\n`))
  assert.deepEqual(tooLong, [])
})

test('without lines there is no datagram', () => {
  assert.deepEqual(pack([]).texts, [])
  assert.deepEqual(pack(['', '']).texts, [])
})

test('whatever is packed: each line once, whole, in order, none over the mtu, parts that add up', () => {
  const line = fc
    .tuple(fc.integer({ min: 10, max: 140 }), fc.boolean())
    .map(([bytes, quoted]) => (quoted ? `m s="${'y\n'.repeat(bytes >> 1)}" 1` : lineOf(bytes)))
  const writes = fc.array(fc.array(line, { maxLength: 8 }), { maxLength: 8 })
  fc.assert(
    fc.property(writes, fc.integer({ min: 64, max: 200 }), (lists, mtu) => {
      const bodies = lists.map((list) => ({
        body: Buffer.from(list.map((each) => `${each}\n`).join('')),
        lineCount: list.length,
      }))
      const { datagrams, tooLong } = packDatagrams(bodies, mtu)
      for (const { bytes } of datagrams) assert(bytes.length > 0 && bytes.length <= mtu)
      const sent = datagrams
        .map(({ bytes }) => bytes.toString())
        .map((text) => (text.endsWith('\n') ? text : `${text}\n`))
        .join('')
      const fitting = lists.flat().filter((each) => each.length <= mtu)
      assert.equal(sent, fitting.map((each) => `${each}\n`).join(''))
      const sums = lists.map(() => 0)
      for (const part of [...datagrams.flatMap(({ parts }) => parts), ...tooLong]) {
        sums[part.writeIndex] = (sums[part.writeIndex] ?? 0) + part.lineCount
      }
      assert.deepEqual(
        sums,
        lists.map((list) => list.length),
      )
    }),
  )
})
