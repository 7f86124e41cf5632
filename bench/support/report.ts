/**
 * What a benchmark prints: Markdown on standard output, to be pasted into bench/README.md as it is,
 * and on standard error what is being measured just now.
 */
import { cpus, loadavg, release } from 'node:os'

/** The day, the machine, the Node that measures, how busy others keep it. */
export function printMachine(): void {
  const [cpu] = cpus()
  const day = new Date().toISOString().slice(0, 10)
  const cores = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}, ${process.arch})`
  const system = `Linux ${release()}, Node ${process.versions.node}`
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  console.log(`\n${day}, ${cores}, ${system}; load average before ${load}.`)
}

/** Columns as wide as their widest cell; figures to the right, the first column to the left. */
export function printTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  title?: string,
): void {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? ''
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${padded.join(' | ')} |`
  }
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  if (title !== undefined) console.log(`\n${title}`)
  console.log(`\n${[line(head), line(rule), ...rows.map(line)].join('\n')}`)
}

/** What goes on, for whoever looks on; it overwrites itself, and is not there in a file. */
export function tellProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}
