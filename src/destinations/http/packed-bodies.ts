/**
 * Bodies for an output that takes gzip: a body that the client has compressed is sent unchanged.
 *
 *     client's member │ client's member │ ours: consecutive uncompressed bodies │ client's member
 *
 * Concatenated members are one valid gzip body (RFC 1952). InfluxDB 1 and servers of its dialect
 * read every member (measured: 1.6.7 stores all). Other servers are untested and get a single
 * member.
 */

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { packedBody, type Write } from '../../write/write.ts'

const gzipAsync = promisify(gzip)
const LEVEL = 1

/**
 * @param canJoin the server reads a body of several members
 * @returns the members, in order; at least one
 */
export async function packBodies(writes: readonly Write[], canJoin: boolean): Promise<Buffer[]> {
  if (writes.length > 1 && !canJoin) return [await pack(writes.map(({ body }) => body))]
  const members: (Buffer | Promise<Buffer>)[] = []
  let unpacked: Buffer[] = []
  const packRun = () => {
    if (unpacked.length > 0) members.push(pack(unpacked))
    unpacked = []
  }
  for (const write of writes) {
    const packed = packedBody(write)
    if (packed === undefined) unpacked.push(write.body)
    else {
      packRun()
      members.push(packed)
    }
  }
  packRun()
  return await Promise.all(members)
}

function pack(bodies: readonly Buffer[]): Promise<Buffer> {
  const [only] = bodies
  return gzipAsync(bodies.length === 1 && only ? only : Buffer.concat(bodies), { level: LEVEL })
}
