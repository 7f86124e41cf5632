/**
 * The output of a benchmark: Markdown on standard output, ready for bench/README.md, and progress
 * on standard error.
 */
import { cpus, loadavg, release } from 'node:os'

/** Prints the day, the machine, the version of Node, and the load average. */
export function printMachine(): void {
  const [cpu] = cpus()
  const day = new Date().toISOString().slice(0, 10)
  const cores = `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}, ${process.arch})`
  const system = `Linux ${release()}, Node ${process.versions.node}`
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  console.log(`\n${day}, ${cores}, ${system}; load average before ${load}.`)
}

/**
 * Columns are as wide as their widest cell; figures are right-aligned, the first column
 * left-aligned.
 */
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

/** Prints progress on a terminal, in one line that overwrites itself. */
export function tellProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}
