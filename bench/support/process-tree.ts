/**
 * What a process and all its children have used, as Linux counts it: CPU from `/proc/<pid>/stat`,
 * in ticks of 10 ms, and the largest resident memory of each since it started.
 *
 * A process that is gone counts as nothing: what it had used is lost to the sum.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** The kernel's unit in /proc, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
/** Fields of `stat` behind the name: utime and stime. */
const USER_TICKS = 11
const SYSTEM_TICKS = 12

/** User and system time, in seconds. */
export function cpuSeconds(pid: number): number {
  let ticks = 0
  for (const each of processTree(pid)) {
    const stat = readProc(each, 'stat')
    // The name in parentheses may hold blanks and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[USER_TICKS] ?? 0) + Number(fields[SYSTEM_TICKS] ?? 0)
  }
  return ticks / TICKS_PER_SECOND
}

/** The sum of each one's own peak, in MB. */
export function peakMegabytes(pid: number): number {
  let kilobytes = 0
  for (const each of processTree(pid)) {
    kilobytes += Number(/VmHWM:\s+(\d+)/.exec(readProc(each, 'status'))?.[1] ?? 0)
  }
  return (kilobytes * 1024) / 1e6
}

/** It and all that descend from it. */
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
    return [] // It has ended.
  }
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // It has ended.
  }
}
