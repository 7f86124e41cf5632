/**
 * A separate process with one fake output, so that it does not slow the load generator.
 *
 * Run by the benchmarks: `node bench/support/sink.ts TROUBLE [BYTES_PER_SECOND]`. Prints its base
 * URL as its first line and runs until it is killed.
 *
 *     none    answers 204, at BYTES_PER_SECOND where that is given
 *     503     answers 503
 *     hung    takes connections and nothing else
 *     slow    is on a line of 1 kB/s
 */
import { type FakeInflux, openFakeInflux } from '../../test/support/fake-influx.ts'
import { openFaultProxy } from '../../test/support/fault-proxy.ts'

const [trouble = 'none', rate = 'Infinity'] = process.argv.slice(2)

const influx: FakeInflux = await openFakeInflux({
  answer: () => {
    influx.forget()
    return trouble === '503' ? 503 : 204
  },
  bytesPerSecond: Number(rate),
})
const proxy = await openFaultProxy(influx.port)
if (trouble === 'hung') proxy.fault = { kind: 'stall' }
if (trouble === 'slow') proxy.fault = { kind: 'rate', bytesPerSecond: 1000 }
const isOnLine = trouble === 'hung' || trouble === 'slow'
console.log(isOnLine ? proxy.url : influx.url)
