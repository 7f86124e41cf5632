/**
 * The certificate of a listener: one PEM file with the chain and its key, as influxdb-relay has it.
 */

import { readFile } from 'node:fs/promises'
import type { SecureVersion } from 'node:tls'
import { pairFault } from '../../net/certificates.ts'
import { errorText, RelayError } from '../../std/errors.ts'

/** Earlier versions of TLS are insecure. */
const TLS_MIN_VERSION: SecureVersion = 'TLSv1.2'

/** For `https.createServer` and `server.setSecureContext`. */
export interface ListenerCertificate {
  readonly cert: string
  readonly key: string
  readonly minVersion: SecureVersion
}

/**
 * Rejects with RELAY_CERTIFICATE_UNREADABLE, naming the file and what is wrong with it, never its
 * content.
 */
export async function readCertificate(pemPath: string): Promise<ListenerCertificate> {
  const pem = await readFile(pemPath, 'utf8').catch((error: unknown) => {
    throw unreadable(pemPath, errorText(error), error)
  })
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw unreadable(pemPath, 'no certificate in it')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw unreadable(pemPath, 'no private key in it')
  }
  // Node reads only the blocks of the right kind from each, so both can be the whole file.
  const certificate = { cert: pem, key: pem, minVersion: TLS_MIN_VERSION }
  const fault = pairFault(pem, pem)
  if (fault !== undefined) throw unreadable(pemPath, fault)
  return certificate
}

function unreadable(pemPath: string, why: string, cause?: unknown): RelayError {
  const message = `ssl-combined-pem "${pemPath}" cannot be used: ${why}`
  return new RelayError('RELAY_CERTIFICATE_UNREADABLE', message, { cause })
}
