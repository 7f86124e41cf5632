/**
 * The helpers of the long tests themselves: the oracle of same order, what it finds and what it
 * lets pass, and the load that does not wait for answers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFakeInflux } from './support/fake-influx.ts'
import { parseMetrics, sumOf } from './support/metrics.ts'
import { offerLoad } from './support/offered-load.ts'
import { openWriteClient } from './support/write-client.ts'
import { WriteJournal } from './support/write-journal.ts'

const at = (field: string) => ({ series: 'm', field, time: 1n })

/** Writes one after the other: value and status of each. */
function sequence(...writes: readonly (readonly [string, number | undefined])[]): WriteJournal {
  const journal = new WriteJournal()
  for (const [field, status] of writes) {
    const note = journal.begin(at(field))
    if (status !== undefined) journal.answered(note, status)
  }
  return journal
}

test('of writes in sequence the last acknowledged one must stand, or a later one of unknown fate', () => {
  const check = (
    journal: WriteJournal,
    stored: string | undefined,
    expected: RegExp | undefined,
  ) => {
    const found = journal.findings(stored === undefined ? [] : [`m ${stored} 1`])
    if (expected === undefined) assert.deepEqual(found, [])
    else assert.match(found.join(), expected)
  }
  const both = sequence(['v=1i', 204], ['v=2i', 204])
  check(both, 'v=2i', undefined)
  check(both, 'v=1i', /^m 1: stale; holds v=1i, acknowledged last was v=2i$/)
  check(both, 'v=2', /which nobody sent/)
  check(both, undefined, /^m 1: lost; acknowledged was v=2i$/)

  const refused = sequence(['v=1i', 204], ['v=2', 400])
  check(refused, 'v=1i', undefined)
  check(refused, 'v=2', /which was refused/)
  check(sequence(['v=1i', 400]), undefined, undefined)

  for (const unknown of [503, undefined]) {
    const open = sequence(['v=1i', 204], ['v=2i', unknown])
    check(open, 'v=1i', undefined)
    check(open, 'v=2i', undefined)
    check(sequence(['v=1i', unknown]), undefined, undefined)
  }
  // Answered 503 before the next was sent: it may be stored, but not on top of that one.
  check(sequence(['v=1i', 503], ['v=2i', 204]), 'v=1i', /stale/)
  // Never answered: it may be stored at any time.
  check(sequence(['v=1i', undefined], ['v=2i', 204]), 'v=1i', undefined)
  // A client that repeats itself.
  check(sequence(['v=1i', 503], ['v=1i', 204]), 'v=1i', undefined)
})

test('of two writes that race either may stand, and a point that nobody sent is found', () => {
  const journal = new WriteJournal()
  const [one, two] = [journal.begin(at('v=1i')), journal.begin(at('v=2i'))]
  journal.answered(two, 204)
  journal.answered(one, 204)
  assert.deepEqual(journal.findings(['m v=1i 1']), [])
  assert.deepEqual(journal.findings(['m v=2i 1']), [])
  assert.match(journal.findings(['m v=2i 1', 'm v=2i 7']).join(), /^m 7: .* nobody sent/)
  assert.deepEqual(journal.statuses, { 204: 2 })
  assert.equal(journal.keyCount, 1)
})

test('a write is noted with its answer, and a client keeps its connection', async () => {
  await using influx = await openFakeInflux()
  using client = openWriteClient(influx.url)
  const journal = new WriteJournal()
  for (const status of [204, 503]) {
    influx.answer = status
    assert.equal((await journal.write(client, at('v=1i'))).status, status)
  }
  assert.equal(influx.received, 'm v=1i 1m v=1i 1')
  assert.deepEqual([journal.statuses, influx.connections], [{ 204: 1, 503: 1 }, 1])
})

test('sumOf adds the samples that have the labels', () => {
  const samples = parseMetrics('x_total{a="1",b="2"} 3\nx_total{a="1",b="3"} 4\ny_total 5\n')
  const check = (name: string, labels: Record<string, string>, expected: number) =>
    assert.equal(sumOf(samples, name, labels), expected)
  check('x_total', {}, 7)
  check('x_total', { a: '1' }, 7)
  check('x_total', { b: '3' }, 4)
  check('x_total', { c: '3' }, 0)
  check('y_total', {}, 5)
})

test('offered load begins every write by the clock, also behind one that is not answered', async () => {
  await using influx = await openFakeInflux({
    answer: { status: 503, headers: { 'Retry-After': '1' } },
  })
  influx.hold()
  const load = { url: influx.url, writesPerSecond: 100, durationMs: 200 }
  const offered = offerLoad({ ...load, lineOf: (index) => `m v=${index}i 1\n` })
  await influx.receivesRequests(20)
  influx.release()
  const { answers, maxWaitMs } = await offered
  assert.deepEqual(
    answers.map(({ index, status, retryAfter }) => [index, status, retryAfter]),
    Array.from({ length: 20 }, (_, index) => [index, 503, '1']),
  )
  assert(maxWaitMs > 0)
})
