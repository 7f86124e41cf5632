/**
 * Goal: nothing that happens to the log keeps writes from being relayed or the process from ending.
 * Method: a descriptor that answers as the test says; real processes in test/cli/process.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogSink, type WriteBytes } from '../../src/process/logger-sink.ts'
import { type Clock, systemClock } from '../../src/std/clock.ts'

/** A descriptor under the test's control: holds the write that is out until `answer`. */
class ScriptedDescriptor {
  text = ''
  #pending: { bytes: Buffer; done: Parameters<WriteBytes>[2] } | undefined

  readonly writeBytes: WriteBytes = (_descriptor, bytes, done) => {
    assert.equal(this.#pending, undefined, 'two writes at a time would mix lines')
    this.#pending = { bytes, done }
  }

  get isBusy(): boolean {
    return this.#pending !== undefined
  }

  take(bytes = Number.POSITIVE_INFINITY): void {
    const pending = this.#take()
    const taken = pending.bytes.subarray(0, bytes)
    this.text += taken.toString()
    pending.done(null, taken.length)
  }

  fail(code: string): void {
    this.#take().done(Object.assign(new Error(code), { code }), 0)
  }

  #take() {
    const pending = this.#pending
    assert(pending !== undefined, 'nothing is being written')
    this.#pending = undefined
    return pending
  }
}

function openSink(clock: Clock = systemClock) {
  const descriptor = new ScriptedDescriptor()
  const sink = new LogSink({
    descriptor: 1,
    clock,
    renderDropped: (count) => `${count} dropped\n`,
    writeBytes: descriptor.writeBytes,
  })
  return { descriptor, sink }
}

test('lines keep their order, whatever pieces the descriptor takes them in', () => {
  const { descriptor, sink } = openSink()
  for (const line of ['one\n', 'two\n', 'three\n']) sink.write(line)
  descriptor.take(2)
  while (descriptor.isBusy) descriptor.take(3)
  assert.equal(descriptor.text, 'one\ntwo\nthree\n')
})

test('after an error the same bytes are tried again with the next line', () => {
  const { descriptor, sink } = openSink()
  sink.write('one\n')
  descriptor.fail('ENOSPC')
  assert(!descriptor.isBusy, 'no attempt without a reason: a full disk stays full for a while')
  sink.write('two\n')
  while (descriptor.isBusy) descriptor.take()
  assert.equal(descriptor.text, 'one\ntwo\n')
})

test('a full pipe is left alone for a moment, in the background', () => {
  const timers: { fire: () => void; isBackground: boolean | undefined }[] = []
  const { descriptor, sink } = openSink({
    ...systemClock,
    startTimer(_delayMs, fire, options) {
      timers.push({ fire, isBackground: options?.isBackground })
      return { cancel: () => {} }
    },
  })
  sink.write('one\n')
  descriptor.fail('EAGAIN')
  sink.write('two\n')
  assert(!descriptor.isBusy)
  assert.equal(timers[0]?.isBackground, true)
  timers[0]?.fire()
  while (descriptor.isBusy) descriptor.take()
  assert.equal(descriptor.text, 'one\ntwo\n')
})

test('over its bound it drops new lines, counts them, and says so when there is room', () => {
  const { descriptor, sink } = openSink()
  const line = `${'x'.repeat(1023)}\n`
  for (let count = 0; count < 2000; count++) sink.write(line)
  while (descriptor.isBusy) descriptor.take()
  const lines = descriptor.text.trimEnd().split('\n')
  const dropped = lines.filter((text) => text.endsWith('dropped'))
  // 1,024 lines fill the megabyte; the first line was already out when it filled.
  assert.deepEqual(dropped, ['975 dropped'])
  assert.equal(lines.length, 1025 + 1)
})

test('flush waits for what is queued, and not for what has failed', async () => {
  const { descriptor, sink } = openSink()
  await sink.flush() // Nothing logged: nothing to wait for.
  sink.write('one\n')
  const flushed = sink.flush()
  descriptor.take()
  await flushed
  assert.equal(descriptor.text, 'one\n')

  sink.write('two\n')
  const failed = sink.flush()
  descriptor.fail('EPIPE')
  await failed
})
