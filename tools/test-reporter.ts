/**
 * Node's own report of a test run, and before its totals what was skipped: each reason once, with
 * the number of tests, so that it stands on the last screen.
 *
 *     node --test --test-reporter=./tools/test-reporter.ts …
 */
import type { Transform } from 'node:stream'
import { spec, type TestEvent } from 'node:test/reporters'

/** The first line of the totals. */
const TOTALS = /^tests \d+$/

async function* reportWithSkips(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const report: Transform = new spec()
  const counts = new Map<string, number>()
  for await (const event of events) {
    if (event.type === 'test:pass' && event.data.skip !== undefined) {
      const reason = String(event.data.skip)
      counts.set(reason, (counts.get(reason) ?? 0) + 1)
    }
    if (event.type === 'test:diagnostic' && TOTALS.test(event.data.message)) yield told(counts)
    report.write(event)
    yield String(report.read() ?? '')
  }
  report.end()
  for await (const rest of report) yield String(rest) // The failures, once more.
}

function told(counts: ReadonlyMap<string, number>): string {
  const lines = [...counts].map(([reason, count]) => {
    const tests = count === 1 ? '1 test was' : `${count} tests were`
    return `! ${tests} skipped: ${reason}\n`
  })
  return lines.join('')
}

// biome-ignore lint/style/noDefaultExport: that is how node takes a reporter.
export default reportWithSkips
