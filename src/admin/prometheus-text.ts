/**
 * Prometheus text exposition format 0.0.4: families of samples → text.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */

export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Families without samples are left out. */
export function renderFamilies(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(renderFamily)
    .join('')
}

function renderFamily({ name, type, help, samples }: Family): string {
  const lines = samples.map(({ labels, value }) => `${name}${renderLabels(labels)} ${value}\n`)
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/**
 * One sample for each entry of a record, its key in the label `name`. Underscores, as in metric
 * names.
 */
export function spread(
  labels: Readonly<Record<string, string>>,
  name: string,
  values: Readonly<Record<string, number>>,
): Sample[] {
  return Object.entries(values).map(([key, value]) => ({
    labels: { ...labels, [name]: key.replaceAll('-', '_') },
    value,
  }))
}

export function one(value: number): Sample[] {
  return [{ labels: {}, value }]
}

export function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'counter', help, samples }
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', help, samples }
}
