/**
 * How many datagrams the system has thrown away because we read too slowly, as Linux counts them.
 *
 * The sender is never told of these, and neither are we but by this file of the kernel:
 *
 *     sl  local_address rem_address … inode ref pointer drops
 *     92: 00000000:1F90 00000000:0000 … 22734 2 0000000000000000 17
 */

import { readFile } from 'node:fs/promises'

const TABLE_PATHS = ['/proc/net/udp', '/proc/net/udp6'] as const

/**
 * Drops of the sockets bound to `port`, since they were bound; 0 where the system does not tell.
 */
export async function readUdpDrops(port: number): Promise<number> {
  const tables = await Promise.all(
    // Where there is no Linux there is no such file.
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
