/**
 * Checks certificates and keys in PEM: whether TLS accepts them, and if not, what the operator must
 * change.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { errorCode, errorText } from '../std/errors.ts'

/** Explanations of OpenSSL's error codes for the operator who made the files. */
const FAULTS: ReadonlyMap<string, string> = new Map([
  [
    'ERR_SSL_EE_KEY_TOO_SMALL',
    "the certificate's key is too short for TLS today; make one with RSA of 2048 bits, or ECDSA",
  ],
  [
    'ERR_SSL_CA_KEY_TOO_SMALL',
    'the key of an authority in the chain is too short for TLS today; it needs 2048 bits of RSA',
  ],
  [
    'ERR_SSL_CA_MD_TOO_WEAK',
    'the certificate is signed with MD5 or SHA-1, which TLS no longer accepts; it needs SHA-256',
  ],
])
const NOT_ITS_KEY =
  'the key is not that of the certificate; the certificate of the key must be the first one'
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m
const KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** Why a certificate and its key cannot be used; `undefined` = they can. */
export function pairFault(cert: string, key: string): string | undefined {
  if (ENCRYPTED.test(key)) {
    return 'the key is encrypted, and the relay asks for no passphrase; store it without one'
  }
  const [first = ''] = cert.match(CERTIFICATE) ?? []
  const [own = ''] = key.match(KEY) ?? []
  const privateKey = readKey(own)
  if (privateKey === undefined) return 'the key is damaged, or of a kind that is not known'
  try {
    // OpenSSL itself accepts a key of another type, and then has no key for any client.
    if (!new X509Certificate(first).checkPrivateKey(privateKey)) return NOT_ITS_KEY
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    const known = FAULTS.get(errorCode(error))
    return known ?? `certificate or key cannot be used: ${errorText(error)}`
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined // OpenSSL's error text describes its decoders and does not help.
  }
}

/** Why one of the certificates cannot be used; `undefined` = all can. */
export function certificateFault(pem: string): string | undefined {
  for (const block of pem.match(CERTIFICATE) ?? []) {
    try {
      new X509Certificate(block)
    } catch {
      return 'is damaged'
    }
  }
  return undefined
}

/** Why the first certificate of the file is not valid now; `undefined` = it is valid. */
export function validityFault(pem: string, nowMs: number): string | undefined {
  const [first] = pem.match(CERTIFICATE) ?? []
  if (first === undefined) return undefined
  const { validFrom, validTo, validFromDate, validToDate } = new X509Certificate(first)
  if (nowMs > validToDate.getTime()) return `has expired on ${validTo}`
  if (nowMs < validFromDate.getTime()) return `is not valid before ${validFrom}`
  return undefined
}
