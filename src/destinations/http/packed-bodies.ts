/**
 * Bodies for an output that takes gzip: what the client has packed goes on as it came.
 *
 *     client's member │ client's member │ ours: all that came unpacked in a row │ client's member
 *
 * Members one behind the other are a valid gzip body (RFC 1952), of all that they hold. InfluxDB 1
 * and what speaks its dialect read every one of them (measured: 1.6.7 stores all); of the others
 * nobody has tried, so that they get a single one.
 */

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { packedBody, type Write } from '../../write/write.ts'

const gzipAsync = promisify(gzip)
const LEVEL = 1

/** @returns the members, in order; at least one */
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
