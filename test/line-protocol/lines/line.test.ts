import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measurementOf, tagKeysOf } from '../../../src/line-protocol/lines/names.ts'
import { rescaleToNanoseconds } from '../../../src/line-protocol/lines/rescale.ts'
import { forEachLine } from '../../../src/line-protocol/lines/split.ts'

test('forEachLine ends a line at a newline that is neither quoted nor escaped', () => {
  const check = (...lines: string[]) => {
    const bytes = Buffer.from(lines.join(''))
    const seen: string[] = []
    forEachLine(bytes, (start, end) => seen.push(bytes.toString('utf8', start, end)))
    assert.deepEqual(seen, lines)
  }
  check()
  check('m v=1 1\n')
  check('m v=1 1\n', 'm v=2 2\n')
  check('m v="a\nb" 1\n', 'm v=2 2\n')
  check('m v="a\\"\n" 1\n', 'm v="\\\\" 2\n', 'm v=3 3\n')
  check('m,t="x v=1 1\n', 'm v=2 2\n')
})

test('names are told as the database shows them', () => {
  const check = (line: string, measurement: string, ...tagKeys: string[]) => {
    assert.equal(measurementOf(Buffer.from(line)).toString(), measurement)
    assert.deepEqual(tagKeysOf(Buffer.from(line)).map(String), tagKeys)
  }
  check('cpu v=1 1\n', 'cpu')
  check('cpu,b=1,a=2 v=1 1\n', 'cpu', 'b', 'a')
  check('my\\ m\\,x,a\\=b=c,d\\ e=f v=1 1\n', 'my m,x', 'a=b', 'd e')
  check(' größe,ö=1 v=1 1\n', 'größe', 'ö')
  check('a\\"b\\c,d\\"=1 v=1 1\n', 'a"b\\c', 'd\\"')
  check('', '')
})

test('rescaling gives nanoseconds, and nothing else changes', () => {
  const check = (precision: 'us' | 'ms' | 's' | 'm' | 'h', line: string, expected: string) =>
    assert.equal(rescaleToNanoseconds(Buffer.from(line), precision).toString(), expected)
  check('us', 'm v=1 1600000000000000\n', 'm v=1 1600000000000000000\n')
  check('ms', 'm v="a\nb 5" 16\nm v=2 -3 \n', 'm v="a\nb 5" 16000000\nm v=2 -3000000 \n')
  check('s', 'm v=1 0\n', 'm v=1 0\n')
  check('m', 'm v=1 2\n', 'm v=1 120000000000\n')
  check('h', 'm v=1 2\n', 'm v=1 7200000000000\n')
  const same = Buffer.from('m v=1 1\n')
  assert.equal(rescaleToNanoseconds(same, 'ns'), same)
})
