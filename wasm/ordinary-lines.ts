/**
 * Ordinary lines, 16 bytes at a time: what src/line-protocol/fast/ordinary-line.ts decides, but
 * faster.
 *
 * AssemblyScript, compiled to WebAssembly with SIMD by `npm run build:wasm`. Works on one window of
 * a body, in two stages:
 *
 *     classify   finds the stops: each byte that ends a name, or that might be trouble
 *     walk       goes from stop to stop, and looks at nothing else but values and timestamps
 *
 *     text    cpu,host=a usage=1.5,note="b c" 1700000000000000000⏎
 *     stops      ,    = ␣     =   ,    =" ␣ "␣                   ⏎
 *
 * `walk` goes on as long as lines are ordinary, and ends at the first that is not: it never
 * refuses, it hands over. It is stricter than ordinary-line.ts, so as to be small: no backslash; in
 * keys and field names only printable ASCII from `$` on; no newline in a string; no more than 32
 * digits at a stretch. Lines without a timestamp get the stamp; from the first such line on, what
 * the walk takes is written out.
 *
 *     memory = text | stops | tags | stamp | output      of one size, which the compiler is told
 *
 * Invariant: a line that is taken begins behind a stop and ends in the newline that is its last, so
 * that no walk leaves the window, whose text ends in a newline.
 *
 * Limits: lines of WINDOW_BYTES, which is below InfluxDB's limit for names, so that nobody here has
 * to count; 64 tags.
 *
 * Not here: everything else about a line (src/line-protocol/scan/point.ts).
 */

const NEWLINE: u32 = 0x0a
const SPACE: u32 = 0x20
const QUOTE: u32 = 0x22
/** All bytes below are stops, and all above 0x7f: with sign they are below too. */
const FIRST_PLAIN: i8 = 0x24
const COMMA: u32 = 0x2c
const MINUS: u32 = 0x2d
const PLUS: u32 = 0x2b
const DOT: u32 = 0x2e
const ZERO: u32 = 0x30
const NINE: u32 = 0x39
const EQUALS: u32 = 0x3d
const BACKSLASH: u32 = 0x5c
const SMALL_E: u32 = 0x65
const SMALL_I: u32 = 0x69
/** Set, it makes a letter small. */
const SMALL: u32 = 0x20

/** Half of a first-level cache, so that both stages and the output find it there. */
export const WINDOW_BYTES: u32 = 16_384
/** What is read or written beyond an end, by steps of 64 bytes. */
const SLACK_BYTES: u32 = 128
const TAGS_MAX: u32 = 64
const INTEGER_MAX_DIGITS: u32 = 18
/** A space and nineteen digits. */
export const STAMP_MAX_BYTES: u32 = 20

export const TEXT: u32 = 0
/** u16 each; at worst every byte is one. */
const STOPS: u32 = TEXT + WINDOW_BYTES + SLACK_BYTES
const STOP_BYTES: u32 = 2
/** Begin and end of each tag key of a line, u16 each. */
const TAGS: u32 = STOPS + WINDOW_BYTES * STOP_BYTES + SLACK_BYTES
const TAG_BYTES: u32 = 4
export const STAMP: u32 = TAGS + TAGS_MAX * TAG_BYTES
/** A window's text, and as many stamps as it has lines, if all are like `m v=1`: 71 KB. */
export const OUTPUT: u32 = STAMP + SLACK_BYTES

/** Not an ordinary line. */
const ODD: u32 = 0

/** Address of the first stop that no walk has passed. */
let nextStop: u32 = STOPS
let lineCount: u32 = 0
let outputBytes: u32 = 0
let isStampMissing = false

/** Lines that the last walk took. */
export function walkedLines(): u32 {
  return lineCount
}

/** Whether the last walk ended at an ordinary line that it had no stamp for. */
export function lacksStamp(): bool {
  return isStampMissing
}

/** What the last walk wrote; 0 when its lines stand as they are. */
export function writtenBytes(): u32 {
  return outputBytes
}

/** First stage. @param length of the text, which ends in a newline */
export function classify(length: u32): void {
  let end = STOPS
  for (let i: u32 = 0; i < length; i += 64) {
    let stops = stopsAt(i) | (stopsAt(i + 32) << 32)
    let at = end
    end += <u32>popcnt(stops) * STOP_BYTES
    // Eight whether there are so many or not: cheaper than to ask for each.
    do {
      store<u16>(at, i + <u32>ctz(stops))
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 2)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 4)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 6)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 8)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 10)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 12)
      stops &= stops - 1
      store<u16>(at, i + <u32>ctz(stops), 14)
      stops &= stops - 1
      at += 8 * STOP_BYTES
    } while (stops !== 0)
  }
  nextStop = STOPS
}

/** One bit for each of 32 bytes. */
function stopsAt(i: u32): u64 {
  return <u64>(stopsIn(v128.load(i)) | (stopsIn(v128.load(i, 16)) << 16))
}

function stopsIn(text: v128): u32 {
  const outside = i8x16.lt_s(text, i8x16.splat(FIRST_PLAIN))
  const comma = i8x16.eq(text, i8x16.splat(<i8>COMMA))
  const equals = i8x16.eq(text, i8x16.splat(<i8>EQUALS))
  const backslash = i8x16.eq(text, i8x16.splat(<i8>BACKSLASH))
  return <u32>i8x16.bitmask(v128.or(v128.or(outside, comma), v128.or(equals, backslash)))
}

/**
 * Second stage: takes ordinary lines from `start` on, where a line begins.
 *
 * @param digitsMax longest timestamp that is in range by its length
 * @param firstMax greatest first digit of one of that length
 * @param stampBytes length of the stamp; 0 when there is none yet: then a line without a timestamp
 * is not taken either
 * @returns where the first line begins that was not taken; `length` when all were
 */
export function walk(start: u32, length: u32, digitsMax: u32, firstMax: u32, stampBytes: u32): u32 {
  let from = start
  let count: u32 = 0
  let out = OUTPUT
  let copied = start
  let k = nextStop
  isStampMissing = false
  while (<u32>load<u16>(k) < start) k += STOP_BYTES
  while (from < length) {
    const fields = fieldsEnd(keyEnd(k, from))
    if (fields === ODD) break
    const end = stopAt(fields)
    if (byteAt(end) === NEWLINE) {
      isStampMissing = stampBytes === 0
      if (isStampMissing) break
      out = copy(copied, end, out)
      out = copyStamp(out, stampBytes)
      copied = end
      k = fields + STOP_BYTES
    } else {
      if (byteAt(end) !== SPACE) break
      k = fields + 2 * STOP_BYTES
      const newlineAt = stopAt(fields + STOP_BYTES)
      if (!isTimestamp(end + 1, newlineAt, digitsMax, firstMax)) break
    }
    from = stopAt(k - STOP_BYTES) + 1
    count++
    nextStop = k
  }
  if (out > OUTPUT) out = copy(copied, from, out)
  lineCount = count
  outputBytes = out - OUTPUT
  return from
}

/** @returns the address of the stop behind measurement and tags, a space */
function keyEnd(k: u32, from: u32): u32 {
  let stop = k
  let end = stopAt(stop)
  if (end === from) return ODD
  let tagCount: u32 = 0
  let isSorted = true
  while (byteAt(end) === COMMA) {
    const keyFrom = end + 1
    const keyEnd = stopAt(stop + STOP_BYTES)
    if (keyEnd === keyFrom || byteAt(keyEnd) !== EQUALS || tagCount === TAGS_MAX) return ODD
    store<u32>(TAGS + tagCount * TAG_BYTES, keyFrom | (keyEnd << 16))
    if (tagCount > 0 && isSorted) isSorted = compareTags(tagCount - 1, tagCount) < 0
    if (!isSorted && isKnownTag(tagCount)) return ODD
    tagCount++
    stop += 2 * STOP_BYTES
    end = stopAt(stop)
    if (end === keyEnd + 1) return ODD
  }
  return byteAt(end) === SPACE ? stop : ODD
}

function isKnownTag(tag: u32): bool {
  for (let other: u32 = 0; other < tag; other++) {
    if (compareTags(other, tag) === 0) return true
  }
  return false
}

/** In the order of their bytes; below 0, 0 or above. */
function compareTags(left: u32, right: u32): i32 {
  const leftSpan = load<u32>(TAGS + left * TAG_BYTES)
  const rightSpan = load<u32>(TAGS + right * TAG_BYTES)
  let i = leftSpan & 0xffff
  let j = rightSpan & 0xffff
  const leftEnd = leftSpan >> 16
  const rightEnd = rightSpan >> 16
  while (true) {
    // What is missing counts as NUL, which no name here has.
    const leftBytes = upTo8(i, leftEnd)
    const rightBytes = upTo8(j, rightEnd)
    const difference = leftBytes ^ rightBytes
    if (difference !== 0) {
      const shift = ctz(difference) & ~7
      return <i32>((leftBytes >> shift) & 0xff) - <i32>((rightBytes >> shift) & 0xff)
    }
    i += 8
    j += 8
    if (i >= leftEnd && j >= rightEnd) return 0
  }
}

/** The bytes of `[from, end)`, but no more than 8, the first one lowest. */
function upTo8(from: u32, end: u32): u64 {
  const bytes = load<u64>(from)
  const size = end - from
  return size >= 8 ? bytes : bytes & (((<u64>1) << (<u64>size * 8)) - 1)
}

/**
 * @param keyEnd address of the stop before them; may be ODD
 * @returns the address of the stop behind the fields, neither a comma nor looked at further
 */
function fieldsEnd(keyEnd: u32): u32 {
  if (keyEnd === ODD) return ODD
  let stop = keyEnd
  let end = stopAt(stop)
  do {
    const nameEnd = stopAt(stop + STOP_BYTES)
    if (nameEnd === end + 1 || byteAt(nameEnd) !== EQUALS) return ODD
    stop += 2 * STOP_BYTES
    end = stopAt(stop)
    if (byteAt(end) === QUOTE) {
      if (end !== nameEnd + 1) return ODD
      stop = stringEnd(stop)
      if (stop === ODD) return ODD
      end = stopAt(stop)
    } else if (!isBareValue(nameEnd + 1, end)) {
      return ODD
    }
  } while (byteAt(end) === COMMA)
  return stop
}

/** @returns the address of the stop behind the string whose first quote is the stop at `opening` */
function stringEnd(opening: u32): u32 {
  let stop = opening
  while (true) {
    stop += STOP_BYTES
    const byte = byteAt(stopAt(stop))
    if (byte === QUOTE) break
    if (byte === BACKSLASH || byte === NEWLINE) return ODD
  }
  const behind = stop + STOP_BYTES
  return stopAt(behind) === stopAt(stop) + 1 ? behind : ODD
}

function isBareValue(from: u32, end: u32): bool {
  const first = byteAt(from)
  if (first > NINE) return isBoolean(from, end)
  const digitsFrom = from + u32(first === MINUS)
  const others = othersAt(digitsFrom)
  const whole = <u32>ctz(others)
  let i = digitsFrom + whole
  if (i === end) return whole > 0
  let digits = whole
  if (byteAt(i) === DOT) {
    const fraction = <u32>ctz((others >> whole) >> 1)
    digits += fraction
    i += 1 + fraction
    if (i === end) return digits > 0
  } else if (byteAt(i) === SMALL_I) {
    return i + 1 === end && whole > 0 && whole <= INTEGER_MAX_DIGITS
  }
  return (byteAt(i) | SMALL) === SMALL_E && digits > 0 && isExponent(i + 1, end)
}

function isExponent(from: u32, end: u32): bool {
  const sign = byteAt(from)
  const digitsFrom = from + u32(sign === MINUS || sign === PLUS)
  const digits = <u32>ctz(othersAt(digitsFrom))
  return digitsFrom + digits === end && (digits === 1 || digits === 2)
}

function isBoolean(from: u32, end: u32): bool {
  const first = byteAt(from)
  const size = end - from
  if (size === 1) return first === 0x74 || first === 0x54 || first === 0x66 || first === 0x46
  const four = load<u32>(from)
  // "true", "TRUE", "True", then "fals", "FALS", "Fals": the last letter is the lowest byte.
  if (size === 4) return four === 0x65757274 || four === 0x45555254 || four === 0x65757254
  if (size !== 5) return false
  const last = byteAt(from + 4)
  if (last === 0x45) return four === 0x534c4146
  return last === 0x65 && (four === 0x736c6166 || four === 0x736c6146)
}

function isTimestamp(from: u32, end: u32, digitsMax: u32, firstMax: u32): bool {
  const digitsFrom = from + u32(byteAt(from) === MINUS)
  const digits = <u32>ctz(othersAt(digitsFrom))
  if (digitsFrom + digits !== end || byteAt(end) !== NEWLINE) return false
  if (digits === 0 || digits > digitsMax) return false
  return digits < digitsMax || byteAt(digitsFrom) <= firstMax
}

/** One bit for each of 32 bytes that is no digit, and ones above: what lies beyond is unknown. */
function othersAt(i: u32): u64 {
  const digits = digitsIn(v128.load(i)) | (digitsIn(v128.load(i, 16)) << 16)
  return ~(<u64>digits)
}

function digitsIn(text: v128): u32 {
  const value = i8x16.sub(text, i8x16.splat(<i8>ZERO))
  return <u32>i8x16.bitmask(i8x16.le_u(value, i8x16.splat(9)))
}

/** @returns where the output goes on */
function copy(from: u32, end: u32, out: u32): u32 {
  let to = out
  // Up to 15 bytes too many, which the next ones replace.
  for (let i = from; i < end; i += 16) {
    v128.store(to, v128.load(i))
    to += 16
  }
  return out + end - from
}

function copyStamp(out: u32, stampBytes: u32): u32 {
  v128.store(out, v128.load(STAMP))
  v128.store(out, v128.load(STAMP, 16), 16)
  return out + stampBytes
}

/** Index of the stop at an address. */
function stopAt(address: u32): u32 {
  return <u32>load<u16>(address)
}

function byteAt(index: u32): u32 {
  return <u32>load<u8>(index)
}
