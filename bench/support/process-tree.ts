/**
 * CPU and memory of a process and all its children, as Linux counts them: CPU from
 * `/proc/<pid>/stat`, in ticks of 10 ms, and the peak of resident memory of each process since its
 * start.
 *
 * A process that has ended counts as nothing: the sum loses what it used.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** The kernel's unit in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
/** Fields of `stat` after the name: utime and stime. */
const USER_TICKS = 11
const SYSTEM_TICKS = 12

/** User and system time, in seconds. */
export function cpuSeconds(pid: number): number {
  let ticks = 0
  for (const each of processTree(pid)) {
    const stat = readProc(each, 'stat')
    // The name in parentheses may itself contain blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[USER_TICKS] ?? 0) + Number(fields[SYSTEM_TICKS] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** The sum of the peaks of all processes, in MB. */
export function peakMegabytes(pid: number): number {
  let kilobytes = 0
  for (const each of processTree(pid)) {
    kilobytes += Number(/VmHWM:\s+(\d+)/.exec(readProc(each, 'status'))?.[1] ?? 0)
  }
  return (kilobytes * 1024) / 1e6
}

/** The process and all its descendants. */
function processTree(pid: number): readonly number[] {
  const tree = [pid]
  for (const each of tree) {
    for (const thread of threadsOf(each)) {
      tree.push(...readProc(each, `task/${thread}/children`).split(' ').filter(Boolean).map(Number))
    }
  }
  return tree
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return [] // The process has ended.
  }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // The process has ended.
  }
}
