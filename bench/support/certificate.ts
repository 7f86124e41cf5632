/** A certificate for 127.0.0.1, made when needed if openssl is installed. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from './installed-program.ts'

export interface Certificate {
  readonly certificatePath: string
  readonly keyPath: string
  /** Certificate and key in one file. */
  readonly combinedPath: string
  /** The PEM text that clients must trust. */
  readonly ca: string
}

/** @returns `undefined` if openssl is not installed */
export async function makeCertificate(folder: string): Promise<Certificate | undefined> {
  const openssl = findProgram('openssl')
  if (openssl === undefined) return undefined
  const certificatePath = join(folder, 'certificate.pem')
  const keyPath = join(folder, 'key.pem')
  const combinedPath = join(folder, 'combined.pem')
  await promisify(execFile)(openssl, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '1', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', keyPath, '-out', certificatePath],
  ])
  const ca = await readFile(certificatePath, 'utf8')
  await writeFile(combinedPath, ca + (await readFile(keyPath, 'utf8')), { mode: 0o600 })
  return { certificatePath, keyPath, combinedPath, ca }
}
