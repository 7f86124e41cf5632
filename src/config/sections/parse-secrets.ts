/**
 * Credentials and TLS certificates of outputs, and the certificate of a relay. Reads and checks the
 * files that the configuration names.
 */

import { certificateFault, pairFault, validityFault } from '../../net/certificates.ts'
import { systemClock } from '../../std/clock.ts'
import { errorCode, errorText } from '../../std/errors.ts'
import type { OutputCredentials, OutputTls } from '../config.ts'
import { joinPath, type Reader, type Section } from '../read/reader.ts'
import type { Key } from '../schema/config-key.ts'
import { OUTPUT_KEYS } from '../schema/output-keys.ts'
import type { HttpLocation } from './location.ts'

export type ReadFile = (path: string) => string

/** The output's own credentials, from its keys or its location. */
export function parseCredentials(
  reader: Reader,
  section: Section,
  user: HttpLocation['user'],
  readFile: ReadFile,
): OutputCredentials | undefined {
  const { username: nameKey, password: passwordKey, passwordFile, token: tokenKey } = OUTPUT_KEYS
  const username = reader.get(section, nameKey)
  const password = secret(reader, section, passwordKey, passwordFile, readFile)
  const token = secret(reader, section, tokenKey, OUTPUT_KEYS.tokenFile, readFile)
  const ways = [username !== '' || password !== '', token !== '', user !== undefined]
  if (ways.filter(Boolean).length > 1) {
    const path = joinPath(section.path, token === '' ? nameKey.name : tokenKey.name)
    reader.report(path, 'more than one of username, token and user:password@ in location; keep one')
    return undefined
  }
  if (token !== '') return { kind: 'token', token }
  if (user !== undefined) return { kind: 'basic', ...user }
  if (username === '' && password === '') return undefined
  if (username === '') {
    const given = reader.get(section, passwordFile) === '' ? passwordKey : passwordFile
    reader.report(joinPath(section.path, given.name), 'a password without a username; add username')
  }
  return { kind: 'basic', username, password }
}

function secret(
  reader: Reader,
  section: Section,
  key: Key<string>,
  fileKey: Key<string>,
  readFile: ReadFile,
): string {
  const direct = reader.get(section, key)
  const path = reader.get(section, fileKey)
  if (path === '') return direct
  const keyPath = joinPath(section.path, fileKey.name)
  if (direct !== '') {
    reader.report(keyPath, `both ${key.name} and ${fileKey.name} are given; keep one`)
  }
  const text = readNamedFile(reader, keyPath, path, readFile)
  if (text === undefined) return direct
  const value = text.replace(/\r?\n$/, '')
  if (value === '') reader.report(keyPath, `the file "${path}" is empty`)
  else if (/[\r\n\0]/.test(value)) {
    reader.report(keyPath, `the file "${path}" holds more than one line`)
  }
  return value
}

/** TLS towards the output. Reads and checks the files now, not at the first write. */
export function parseOutputTls(reader: Reader, section: Section, readFile: ReadFile): OutputTls {
  const pem = (key: Key<string>, label: string) => {
    const path = reader.get(section, key)
    if (path === '') return undefined
    return readPem(reader, joinPath(section.path, key.name), path, readFile, [label])
  }
  const ca = pem(OUTPUT_KEYS.caCert, 'CERTIFICATE')
  const cert = pem(OUTPUT_KEYS.clientCert, 'CERTIFICATE')
  const key = pem(OUTPUT_KEYS.clientKey, 'PRIVATE KEY')
  const hasCert = reader.get(section, OUTPUT_KEYS.clientCert) !== ''
  const hasKey = reader.get(section, OUTPUT_KEYS.clientKey) !== ''
  if (hasCert !== hasKey) {
    const [given, missing] = hasCert ? ['client-cert', 'client-key'] : ['client-key', 'client-cert']
    reader.report(joinPath(section.path, given), `${given} needs ${missing}; add it`)
  } else if (cert !== undefined && key !== undefined) {
    checkPair(reader, joinPath(section.path, 'client-cert'), cert, key)
  }
  const serverName = reader.get(section, OUTPUT_KEYS.serverName)
  if (/\s/.test(serverName)) {
    const message = 'must be the name of a host, without blanks'
    reader.report(joinPath(section.path, OUTPUT_KEYS.serverName.name), message)
  }
  return {
    skipVerification: reader.get(section, OUTPUT_KEYS.skipVerification),
    ca,
    cert,
    key,
    serverName: serverName === '' ? undefined : serverName,
  }
}

/** `ssl-combined-pem`: certificate and key in one file. */
export function checkCombinedPem(
  reader: Reader,
  keyPath: string,
  path: string,
  readFile: ReadFile,
): void {
  const pem = readPem(reader, keyPath, path, readFile, ['CERTIFICATE', 'PRIVATE KEY'])
  if (pem !== undefined) checkPair(reader, keyPath, pem, pem)
}

function readPem(
  reader: Reader,
  keyPath: string,
  path: string,
  readFile: ReadFile,
  labels: readonly string[],
): string | undefined {
  const text = readNamedFile(reader, keyPath, path, readFile)
  if (text === undefined) return undefined
  const missing = labels.find((label) => !new RegExp(`-----BEGIN [A-Z ]*${label}-----`).test(text))
  if (missing !== undefined) {
    reader.report(keyPath, `the file "${path}" has no "-----BEGIN ${missing}-----"; it must be PEM`)
    return undefined
  }
  if (!labels.includes('CERTIFICATE')) return text
  const fault = certificateFault(text)
  if (fault !== undefined) {
    reader.report(keyPath, `a certificate in the file "${path}" ${fault}`)
    return undefined
  }
  const invalidity = validityFault(text, systemClock.wallMs())
  if (invalidity !== undefined) {
    reader.warn(
      keyPath,
      `the certificate in the file "${path}" ${invalidity}; peers will refuse it`,
    )
  }
  return text
}

function checkPair(reader: Reader, keyPath: string, cert: string, key: string): void {
  const fault = pairFault(cert, key)
  if (fault !== undefined) reader.report(keyPath, fault)
}

const FILE_FAULTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not be read by this user'],
  ['EPERM', 'may not be read by this user'],
  ['EISDIR', 'is a folder'],
])

function readNamedFile(
  reader: Reader,
  keyPath: string,
  path: string,
  readFile: ReadFile,
): string | undefined {
  try {
    return readFile(path)
  } catch (error) {
    const fault = FILE_FAULTS.get(errorCode(error)) ?? `cannot be read: ${errorText(error)}`
    reader.report(keyPath, `the file "${path}" ${fault}`)
    return undefined
  }
}
