/**
 * The number of datagrams that the system has dropped because the relay read too slowly, on Linux.
 *
 * Neither the sender nor the relay gets an error for these; only this file of the kernel counts
 * them:
 *
 *     sl  local_address rem_address … inode ref pointer drops
 *     92: 00000000:1F90 00000000:0000 … 22734 2 0000000000000000 17
 */

import { readFile } from 'node:fs/promises'

const TABLE_PATHS = ['/proc/net/udp', '/proc/net/udp6'] as const

/**
 * Drops of the sockets bound to `port`, since they were bound; 0 where the system has no counter.
 */
export async function readUdpDrops(port: number): Promise<number> {
  const tables = await Promise.all(
    // The files exist on Linux only.
    TABLE_PATHS.map((path) => readFile(path, 'latin1').catch(() => '')),
  )
  return tables.reduce((sum, table) => sum + parseUdpDrops(table, port), 0)
}

export function parseUdpDrops(table: string, port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  let drops = 0
  for (const line of table.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/)
    if (columns[1]?.endsWith(suffix) !== true) continue
    const count = Number(columns.at(-1))
    if (Number.isSafeInteger(count)) drops += count
  }
  return drops
}
