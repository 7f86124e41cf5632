/**
 * Prometheus text as samples, and the books of G10 read from it as an operator would.
 */
import assert from 'node:assert/strict'
import { httpRequest } from './http-request.ts'

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
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
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

/** The books of one output, in lines. */
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

/** G10: every accepted line is pending or has exactly one fate. */
export function assertBooksBalance(books: Books): void {
  const settled = Object.values(books.outcomes).reduce((sum, lines) => sum + lines, 0)
  assert.equal(books.accepted, books.pending + settled, JSON.stringify(books))
}
