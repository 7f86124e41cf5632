/**
 * The SIMD tier (src/line-protocol/fast/simd-lines.ts) case by case; test/fuzz/ has it by property.
 *
 * Goal: it takes what clients send, and with it not a byte of any answer is another. Method: scan
 * with the tier, however short the body, and without, and compare all that comes out.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simdModule } from '../../../src/line-protocol/fast/simd-module.ts'
import { scanLines } from '../../../src/line-protocol/scan/scan.ts'
import { assertScannedAlike, takeOrdinaryLines } from '../../support/simd-scan.ts'

const T = '1700000000000000000'
const WINDOW_BYTES = 16_384

const body = (text: string) => Buffer.from(text, 'latin1')

/** Whether the tier takes a line that stands among others, and no scanner disagrees. */
function takes(line: string): boolean {
  const bytes = body(`m v=1 1\n${line}\nm v=1 1\n`)
  assertScannedAlike(bytes)
  const { end, lineCount } = takeOrdinaryLines(bytes, 0)
  assert.ok(end === bytes.length || end === 'm v=1 1\n'.length, line)
  assert.equal(lineCount, end === bytes.length ? 3 : 1)
  return end === bytes.length
}

const check = (lines: readonly string[], expected: boolean) => {
  for (const line of lines) assert.equal(takes(line), expected, line)
}

test('the tier takes what clients send', () => {
  check(
    [
      `cpu,host=server001,region=eu-west-1 usage_user=1.25,usage_system=1.5 ${T}`,
      'cpu,host=server001,region=eu-west-1 usage_user=1.25,usage_system=1.5',
      `cpu usage=12.345678901234567,load=-0.5,n=42i,up=true -${T}`,
      `disk,path=/var/lib/a-b_c.d:e;f free=1e9,used=2.5E-10,x=1e+5 ${T}`,
      `system uptime="1 day, 2:03",note="",mark="a=b,c d#!\xfc" ${T}`,
      `net,z=1,a=2,m=3 sent=999999999999999999i,err=-1i ${T}`, // tags in no order
      `docker,container_id=1,container_image=2,container_name=3 n=1i ${T}`,
      `m v=t,w=T,x=f,y=F,a=true,b=TRUE,c=True,d=false,e=FALSE,f=False ${T}`,
      'm v=1.,w=.5,x=-.5,y=007,z=-0 0',
    ],
    true,
  )
})

test('the tier leaves to the others what is not surely ordinary', () => {
  check(['', '# comment', ' m v=1 1', '\tm v=1 1', 'm  v=1 1', 'm v=1  1', 'm v=1 1 '], false)
  check(['m', 'm,a=1', 'm v', 'm v=', 'm =1', 'm,=1 v=1', 'm,a= v=1', 'm,a v=1', ',a=1 v=1'], false)
  check(['m,a=b=c v=1', 'm v=1=2', 'm v=1,', 'm v=1,,w=1', 'm,a=1, v=1', 'm v=1,w'], false)
  check(['m\\ n v=1 1', 'm,a=b\\,c v=1 1', 'm v="a\\"b" 1', 'm v="a\\\\" 1'], false) // backslash
  check(['m\xfc v=1 1', 'm,a=\xfc v=1 1', 'm v\xfc=1 1', 'm# v=1 1', 'm! v=1 1', 'm\0 v=1'], false)
  check(['m"n v=1 1', 'm,a="b" v=1 1', 'm v"=1 1', 'm v=a"b" 1', 'm v="a"b 1', 'm v="a"" 1'], false)
  check(['m v="a', 'm v="a\nb" 1', 'm v="a"\r', 'm v=1\r', 'm v=1 1\r'], false)
  check(['m,a=1,a=2 v=1', 'm,a=1,b=1,a=2 v=1', 'm,b=1,a=1,b=2 v=1'], false)
  check(['m,container_id=1,container_ie=2,container_id=3 v=1'], false)
  check(['m v=1 1x', 'm v=1 x', 'm v=1 -', 'm v=1 --1', 'm v=1 9000000000000000000'], false)
  check(['m v=1 12345678901234567890', `m v=1 ${'1'.repeat(40)}`], false)
})

test('of tags the tier compares 64', () => {
  const tags = (count: number) =>
    Array.from({ length: count }, (_, i) => `,tag_of_some_length_${i}=1`).join('')
  check([`m${tags(64)} v=1 1`], true)
  check([`m${tags(65)} v=1 1`, `m${tags(63)},tag_of_some_length_7=1 v=1 1`], false)
})

test('timestamps are in range by their length in every precision', () => {
  const longest = { ns: 19, us: 16, ms: 13, s: 10, m: 8, h: 6 } as const
  for (const precision of ['ns', 'us', 'ms', 's', 'm', 'h'] as const) {
    for (let size = 1; size < 25; size++) {
      for (const first of ['1', '7', '8', '9', '-1', '-8', '-9', '0']) {
        const line = `m v=1 ${first}${'0'.repeat(size - 1)}\n`
        assertScannedAlike(body(line), precision)
        const isTaken = takeOrdinaryLines(body(line), 0, precision).lineCount === 1
        // Minutes and hours have room above nine.
        const isPlainFirst = precision === 'm' || precision === 'h' || !first.endsWith('9')
        const isPlain = size < longest[precision] || (size === longest[precision] && isPlainFirst)
        assert.equal(isTaken, isPlain, `${precision}: ${line}`)
      }
    }
  }
})

test('every value of up to five characters of a number is decided alike', () => {
  const characters = [...'09.-+eEixu']
  let values = ['']
  for (let size = 1; size <= 5; size++) {
    values = values.flatMap((value) => characters.map((character) => value + character))
    const lines = values.map((value) => `m v=${value} 1\n`)
    // Each in a body of its own in the shorter ones: the tier begins anew.
    if (size <= 3) for (const line of lines) assertScannedAlike(body(line))
    assertScannedAlike(body(lines.join('')))
  }
})

test('numbers of every length are decided alike', () => {
  for (let whole = 0; whole < 70; whole++) {
    const integer = '9'.repeat(whole)
    let lines = `m v=${integer}i\nm v=-${integer}i\nm v=${integer}\nm v=${integer}e5\n`
    for (let fraction = 0; fraction < 70; fraction++) {
      const number = `${'1'.repeat(whole)}.${'2'.repeat(fraction)}`
      lines += `m v=${number}\nm v=-${number} 1\nm v=${number}e-12\nm v=${number}i\n`
    }
    assertScannedAlike(body(lines))
  }
})

test('any byte at any place of a line is decided alike', () => {
  const lines = [
    `cpu,host=a,zone=b usage=1.25,n=42i,up=true,s="x y" ${T}`,
    'cpu,host=a,zone=b usage=1.25,n=42i,up=true,s="x y"',
    'm v=-1.5e-07,w=false -5',
  ]
  for (const line of lines) {
    for (let at = 0; at < line.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = body(`m v=1 1\n${line}\nm v=2\n`)
        bytes[at + 'm v=1 1\n'.length] = byte
        assertScannedAlike(bytes)
      }
    }
  }
})

test('a body cut off at any byte is decided alike, wherever in its window that is', () => {
  const line = `cpu,host=a usage=1.25,s="x y",n=42i ${T}\n`
  for (let shift = 0; shift < 64; shift++) {
    const whole = `${'m'.repeat(shift + 1)} v=1\n${line}${line}`
    const from = whole.length - line.length
    for (let end = from; end <= whole.length; end++) assertScannedAlike(body(whole.slice(0, end)))
  }
})

test('lines longer than a window, and those that just fit, are decided alike', () => {
  for (const size of [WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, 3 * WINDOW_BYTES]) {
    const long = (end: string) => `m v="${'x'.repeat(size - 7 - end.length)}"${end}\n`
    for (const end of ['', ' 1']) {
      assert.equal(long(end).length, size)
      assertScannedAlike(body(`${long(end)}m v=1 1\n`))
      assertScannedAlike(body(`m v=1 1\n${long(end)}m v=1 1\n${long(end)}`))
      assertScannedAlike(body(`# ${long(end)}m v=1 1\n`))
    }
  }
})

test('lines of any length up to a window are taken', () => {
  for (let fields = 1; fields < 1_000; fields *= 2) {
    const line = `m ${Array.from({ length: fields }, (_, i) => `field${i}=${i}.5`).join()} 1\n`
    assert.ok(line.length < WINDOW_BYTES)
    const bytes = body(line.repeat(10))
    assert.equal(takeOrdinaryLines(bytes, 0).lineCount, 10, `${line.length} bytes`)
  }
})

test('a body of many windows is taken whole, with and without timestamps', () => {
  const lines = (end: string) =>
    Array.from({ length: 5_000 }, (_, i) => `cpu,host=a${i} usage=${i / 7},n=${i}i${end}\n`)
  const stamped = body(lines(` ${T}`).join(''))
  const asTheyAre = takeOrdinaryLines(stamped, 0)
  assert.deepEqual([asTheyAre.end, asTheyAre.lineCount], [stamped.length, 5_000])
  assert.equal(asTheyAre.lines, stamped)
  const unstamped = body(lines('').join(''))
  const written = takeOrdinaryLines(unstamped, 0)
  assert.deepEqual([written.end, written.lineCount], [unstamped.length, 5_000])
  assert.ok(written.lines.equals(stamped))
})

// As short as lines get: stamps need many times the room of the lines.
test('a window full of the shortest lines has room for all their timestamps', () => {
  for (const text of ['m v=1\n', 'm v=1\nm v=1 1\n', 'm v=1\n\n', 'm v=1\nm\\ v=1\n']) {
    assertScannedAlike(body(text.repeat(10_000)))
  }
})

test('the timestamp of a request is asked for once, and only when a line lacks one', () => {
  const scan = (text: string) => {
    let asked = 0
    const stamp = () => {
      asked++
      return T
    }
    scanLines(body(text), { precision: 'ns', stamp, unsignedIntegers: false }, 0)
    return asked
  }
  assert.equal(scan('m v=1 1\n'.repeat(10_000)), 0)
  assert.equal(scan(`${'m v=1 1\n'.repeat(10_000)}m v=1\n`), 1)
  assert.equal(scan('m v=1\nm\\ v=1\n'.repeat(10_000)), 1)
})

test('the tier goes on behind lines that it does not take, also after many', () => {
  const odd = 'm\\ n v=1 1\n'
  const plain = `cpu,host=a usage=1.25 ${T}\n`
  for (const [odds, plains] of [
    [1, 1],
    [1, 50],
    [40, 1_000],
    [5_000, 10_000],
  ] as const) {
    const bytes = body((odd.repeat(odds) + plain.repeat(plains)).repeat(3))
    assertScannedAlike(bytes)
  }
})

test('all windows of all bodies use the same 128 KiB', () => {
  assertScannedAlike(body('m v=1\n'.repeat(500_000)))
  assert.equal(simdModule?.text.buffer.byteLength, 131_072)
})
