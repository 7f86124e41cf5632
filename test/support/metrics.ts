/** Prometheus text as samples, and the accounting of G10 as an operator reads it. */
import assert from 'node:assert/strict'
import { httpRequest } from './http-request.ts'
import { until, type WaitOptions } from './wait.ts'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export async function readMetrics(adminUrl: string): Promise<Sample[]> {
  const answer = await httpRequest(`${adminUrl}/metrics`)
  assert.equal(answer.status, 200)
  return parseMetrics(answer.body.toString())
}

export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    const match = /^([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (line.startsWith('#') || match === null) continue
    const [, name = '', labelText = '', value = ''] = match
    const labels: Record<string, string> = {}
    for (const [, key = '', text = ''] of labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[key] = text
    }
    samples.push({ name, labels, value: Number(value) })
  }
  return samples
}

/** The accounting of one output, in lines. */
export interface Books {
  readonly accepted: number
  readonly pending: number
  readonly outcomes: Readonly<Record<string, number>>
}

export function booksOf(samples: readonly Sample[], output: string): Books {
  const ofOutput = samples.filter(({ labels }) => labels['output'] === output)
  const value = (name: string) => {
    const sample = ofOutput.find((each) => each.name === name)
    assert(sample, `no metric ${name} of output ${output}`)
    return sample.value
  }
  const outcomes: Record<string, number> = {}
  for (const { name, labels, value } of ofOutput) {
    const outcome = labels['outcome']
    if (name === 'relay_output_lines_total' && outcome !== undefined) outcomes[outcome] = value
  }
  return {
    accepted: value('relay_output_accepted_lines_total'),
    pending: value('relay_output_pending_lines'),
    outcomes,
  }
}

/** G10: every accepted line is pending or has exactly one outcome. */
export function assertBooksBalance(books: Books): void {
  const settled = Object.values(books.outcomes).reduce((sum, lines) => sum + lines, 0)
  assert.equal(books.accepted, books.pending + settled, JSON.stringify(books))
}

/** The sum of all samples of that name that have these labels, and maybe more. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels)
  const fits = (sample: Sample) =>
    sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value)
  return samples.filter(fits).reduce((sum, { value }) => sum + value, 0)
}

/** Polls, as a scraper does, until no output has pending lines. */
export async function untilNothingPends(
  adminUrl: string,
  limitMs?: NonNullable<WaitOptions['limitMs']>,
): Promise<readonly Sample[]> {
  let samples: readonly Sample[] = []
  const look = async () => {
    samples = await readMetrics(adminUrl)
    const lag = sumOf(samples, 'relay_output_lag_writes')
    return lag + sumOf(samples, 'relay_output_pending_lines') === 0
  }
  await until(look, {
    what: () => `nothing pends; ${sumOf(samples, 'relay_output_pending_lines')} lines do`,
    ...(limitMs === undefined ? {} : { limitMs }),
  })
  return samples
}

/** Polls until the relay has appended this many writes to its log, in total. */
export async function untilAccepted(adminUrl: string, writes: number): Promise<void> {
  const count = async () => sumOf(await readMetrics(adminUrl), 'relay_accepted_writes_total')
  await until(async () => (await count()) >= writes, { what: `${writes} writes are accepted` })
}
