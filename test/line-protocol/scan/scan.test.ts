import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ScannedLines, scanLines } from '../../../src/line-protocol/scan/scan.ts'
import { assertScannedAlike } from '../../support/simd-scan.ts'

const STAMP = '1700000000000000000'

/** Bodies are written as latin1, so that a test can hold any byte. */
function scan(body: string, overrides: Partial<Parameters<typeof scanLines>[1]> = {}) {
  const options = { precision: 'ns', stamp: () => STAMP, unsignedIntegers: false } as const
  // In each of these cases the SIMD tier, which short bodies do without, has to say the same.
  assertScannedAlike(Buffer.from(body, 'latin1'), overrides.precision)
  return scanLines(Buffer.from(body, 'latin1'), { ...options, ...overrides })
}

const linesOf = (scanned: ScannedLines) => scanned.lines.toString('latin1')

test('ordinary lines with timestamps are passed on in the very buffer that came', () => {
  const check = (text: string) => {
    const body = Buffer.from(text)
    const options = {
      precision: 'ns',
      stamp: () => assert.fail(),
      unsignedIntegers: false,
    } as const
    assert.equal(scanLines(body, options).lines, body, text)
  }
  check('m v=1 1\n')
  check('m,a=1,b=2 v=1.5,w=-2i,x=t,y="a b" -5\nm v=1 1\n')
  check('m,b=2,a=1 v=1e5 1\n')
  check('größe,ort=köln wert=1 1\n')
  check('m v="a\nb" 1\n')
  check('m v="say \\"hi\\" \\\\" 1\n')
  check('my\\ m,a\\,b=c\\=d f\\ g=1 1\n')
  check(' m v=1 1\n') // leading blanks mean nothing
  check('m  v=1  1 \n')
  check('')
})

test('a line without a timestamp gets one, and all of a request the same, asked for once', () => {
  let asked = 0
  const stamp = () => {
    asked++
    return STAMP
  }
  const check = (body: string, lines: string) => {
    asked = 0
    assert.equal(linesOf(scan(body, { stamp })), lines, body)
    assert.equal(asked, 1)
  }
  check('m v=1\n', `m v=1 ${STAMP}\n`)
  check('m v=1', `m v=1 ${STAMP}\n`)
  check('m v=1 \n', `m v=1  ${STAMP}\n`)
  check('m v=1\nm v=2 7\nn v="x\ny"\n', `m v=1 ${STAMP}\nm v=2 7\nn v="x\ny" ${STAMP}\n`)
  check('m v="a"\r\n', `m v="a"\r ${STAMP}\n`)
})

test('comments and blank lines are dropped, with whatever a quote in them swallows', () => {
  const check = (body: string, lines: string) => assert.equal(linesOf(scan(body)), lines, body)
  check('# c\nm v=1 1\n\n \t\nm v=2 2\n', 'm v=1 1\nm v=2 2\n')
  check('# c\\\nm v=1 1\nm v=2 2\n', 'm v=2 2\n')
  check('# c="\nm v=1 1\n"\nm v=2 2\n', 'm v=2 2\n')
  check('m v=1 1\n#\\', 'm v=1 1\n')
  check('\n\n\n', '')
})

test('a refused line is named with InfluxDB’s reason', () => {
  const check = (line: string, reason: string) => {
    const { errors, lineCount, refusedCount, lines } = scan(`${line}\n`)
    assert.equal(errors, `unable to parse '${line.trimStart()}': ${reason}`)
    assert.deepEqual([lineCount, refusedCount, lines.length], [0, 1, 0], line)
  }
  check(',a=1 v=1', 'missing measurement')
  check('m', 'missing fields')
  check(' m ', 'invalid field format')
  check('m,', 'missing tag key')
  check('m,=b v=1', 'missing tag key')
  check('m,a v=1', 'missing tag value')
  check('m,a= v=1', 'missing tag value')
  check('m,a=b', 'missing fields')
  check('m,a=b=c v=1', 'invalid tag format')
  check('m,a=1,a=2 v=1', 'duplicate tags')
  check('m,a=1,b=1,a=2 v=1', 'duplicate tags')
  check('m v', 'invalid field format')
  check('m =1', 'missing field key')
  check('m a=1,=2', 'missing field key')
  check('m v=', 'missing field value')
  check('m v=,w=1', 'missing field value')
  check('m v="a', 'unbalanced quotes')
  check('m v=yes', 'invalid boolean')
  check('m v=tRUE', 'invalid boolean')
  for (const bad of ['1.2.3', '-', '.', '1x', '1ii', '1.5i', '1e2i', 'nan', 'NaN', '--1', '1u']) {
    check(`m v=${bad}`, 'invalid number')
  }
  for (const bad of ['1e400', '1e', '-e5', '1e5.5', `1${'0'.repeat(309)}`]) {
    check(`m v=${bad}`, 'invalid float')
  }
  const big = '9223372036854775808'
  const outOfRange = `strconv.ParseInt: parsing "${big}": value out of range`
  check(`m v=${big}i`, `unable to parse integer ${big}: ${outOfRange}`)
  check(`m v=1 ${big}`, outOfRange)
  check('m v=1 -', 'strconv.ParseInt: parsing "-": invalid syntax')
  check('m v=1 x', 'bad timestamp')
  check('m v=1 1\r', 'bad timestamp')
  check('m v=1 1 2', 'point is invalid')
  const range = 'time outside range -9223372036854775806 - 9223372036854775806'
  check('m v=1 9223372036854775807', range)
  check(`m,a=${'x'.repeat(70_000)} v=1`, 'max key length exceeded: 70004 > 65535')
})

test('good lines beside a refused one are kept, and each refusal is listed', () => {
  const scanned = scan('bad\nm v=1 1\nm v=x\nm v=2\n')
  assert.equal(linesOf(scanned), `m v=1 1\nm v=2 ${STAMP}\n`)
  assert.deepEqual([scanned.lineCount, scanned.refusedCount], [2, 2])
  assert.equal(
    scanned.errors,
    "unable to parse 'bad': missing fields\nunable to parse 'm v=x': invalid boolean",
  )
})

test('timestamps are in range by their value in the unit of the request', () => {
  const check = (precision: Parameters<typeof scanLines>[1]['precision'], last: string) => {
    const accepts = (time: bigint) => scan(`m v=1 ${time}\n`, { precision }).lineCount === 1
    assert.ok(accepts(BigInt(last)) && accepts(-BigInt(last)), precision)
    assert.ok(!accepts(BigInt(last) + 1n) && !accepts(-BigInt(last) - 1n), precision)
  }
  check('ns', '9223372036854775806')
  check('us', '9223372036854775')
  check('ms', '9223372036854')
  check('s', '9223372036')
  check('m', '153722867')
  check('h', '2562047')
})

test('numbers are judged as InfluxDB judges them', () => {
  const accepts = (value: string, unsignedIntegers = false) =>
    assert.equal(scan(`m v=${value} 1\n`, { unsignedIntegers }).lineCount, 1, value)
  for (const good of ['0', '-0', '1.', '.5', '-.5', '007', '1e5', '1E+5', '1.5e-300', '0e999']) {
    accepts(good)
  }
  for (const good of ['1i', '-1i', '9223372036854775807i', '-9223372036854775808i']) accepts(good)
  accepts(`0.${'1'.repeat(400)}`)
  accepts(`${'0'.repeat(50)}1i`)
  accepts('1u', true)
  accepts('18446744073709551615u', true)
  assert.match(
    scan('m v=18446744073709551616u', { unsignedIntegers: true }).errors,
    /: unable to parse unsigned 18446744073709551616: strconv\.ParseUint: .*: value out of range$/,
  )
  for (const good of ['t', 'T', 'true', 'TRUE', 'True', 'f', 'F', 'false', 'FALSE', 'False']) {
    accepts(good)
  }
})

test('what would end or damage InfluxDB is refused', () => {
  const check = (line: string, reason: string) =>
    assert.ok(scan(line).errors.endsWith(`': ${reason}`), `${line}: ${scan(line).errors}`)
  check('m a\\\\="="', 'invalid field value') // a panic
  check('m a=",b"=1,"="', 'invalid field value') // a panic without a backslash
  check('m a\\\\="=\\="', 'invalid field value') // 500 for the whole request
  check('m\xff v=1', 'measurement is not valid UTF-8')
  check('m v\xff=1', 'field key is not valid UTF-8')
  check('m\xe2\x82 v=1', 'measurement is not valid UTF-8')
  assert.equal(scan('m,t\xff=\xff v="\xff" 1\n').lineCount, 1) // InfluxDB keeps these as bytes
})

// InfluxDB joins key and field name with "#!~#", and at the next start cuts at the first of them.
test('a series key in which InfluxDB would find its own separator is refused', () => {
  const isRefused = (line: string) => {
    const { errors, hasUnstorable, refusedCount } = scan(`good v=1 1\n${line} 1\ngood v=2 2\n`)
    if (refusedCount === 0) return false
    assert.ok(errors.endsWith("': series key contains #!~#"), errors)
    assert.ok(hasUnstorable)
    return true
  }
  const refused = ['m#!~# v=1', 'm#!~#x,a=1 v=1', 'm,t#!~#=a v=1', 'm,t=a#!~#b v=1', 'm,t=#!~# v=1']
  // With what follows them these end in it.
  refused.push('m#!~ v=1', 'm,t=#!~ v=1', 'm,b=#!~,a=1 v=1', 'm,t=#!~#\xff v=1', 'm\\ #!~ v=1')
  for (const line of refused) assert.ok(isRefused(line), line)

  const taken = ['m v#!~#w=1', 'm #!~#=1', 'm v="#!~#"', 'm,t=#\\!~# v=1', 'm,t=#!~x v=1', 'm# v=1']
  taken.push('m#!~,a=1 v=1', 'm,t#!~=1 v=1', 'm,t=a#! v=1', 'm,t=a# !~#v=1', 'm,t=#!~\\# v=1')
  for (const line of taken) assert.ok(!isRefused(line), line)
})

test('an accepted line is rewritten when it would swallow what is joined to it', () => {
  const check = (body: string, lines: string) => assert.equal(linesOf(scan(body)), lines, body)
  // InfluxDB cuts first and last byte off: both forms are the string a".
  check('m v="a"\\', `m v="a\\"" ${STAMP}\n`)
  // What follows a missing timestamp in the same line is never read, so a stamp there would not be.
  check(' m=x"y v=t \nfoo', `m=x"y v=t ${STAMP}\n`)
  check(' m=x"y v="" \nfoo"\n', `m=x"y v="" ${STAMP}\n`)
})

test('an accepted line that has no safe form is refused', () => {
  const { errors, lineCount } = scan(' x="y\nm v=1 1')
  assert.equal(lineCount, 0)
  assert.match(errors, /: line would swallow the next one$/)
})

test('in error texts each byte that is not UTF-8 stands for itself, as a lone surrogate', () => {
  const check = (body: string, echo: string) =>
    assert.equal(scan(body).errors, `unable to parse '${echo}': missing fields`)
  check('\xe2\x82', '\udce2\udc82')
  check('\xf0\x9f\x92', '\udcf0\udc9f\udc92')
  check('\xc3\xa9\xff', 'é\udcff')
})

test('a line on which InfluxDB would fail with the whole request is told apart from a bad line', () => {
  const check = (body: string, expected: boolean) =>
    assert.equal(scan(body).hasUnstorable, expected, body)
  check('m v=1', false)
  check('m v=1\nbad', false)
  check('good v=1\nm\xff v=1', true)
  check('good v=1\nm v\xff=1\ngood v=2', true)
  check('m a\\\\="="', true)
})

test('the error text is bounded, and refusals beyond it are still counted', () => {
  const { errors, refusedCount } = scan(`${'x'.repeat(3_000_000)}\n${'bad\n'.repeat(10)}`)
  assert.equal(refusedCount, 11)
  assert.ok(errors.length < 1_100_000 && errors.endsWith("': missing fields"))
})
