/**
 * Conflicts between keys that are valid by themselves: names, addresses and files used twice.
 */

import { resolve } from 'node:path'
import { type Endpoint, renderAddress } from '../net/endpoint.ts'
import { overlaps } from './addresses.ts'
import { reportCircles } from './circles.ts'
import type { AdminConfig } from './config.ts'
import { joinPath, type Reader } from './read/reader.ts'
import { OUTPUT_KEYS } from './schema/output-keys.ts'
import type { RelayDraft } from './sections/parse-relay.ts'

interface Named {
  readonly path: string
  readonly givenName: string
}

/** Reports every conflict between the relays, their outputs and the admin address. */
export function crossCheck(
  reader: Reader,
  relays: readonly RelayDraft[],
  admin: AdminConfig,
): void {
  reportDuplicateNames(reader, relays)
  for (const relay of relays) {
    reportDuplicateNames(reader, relay.outputs)
    reportLogDirConflicts(reader, relay)
  }
  reportCircles(reader, relays)
  reportDuplicateAddresses(reader, relays, admin)
  reportDuplicateFiles(reader, relays)
  reportDuplicateLogDirs(reader, relays)
}

/**
 * The name of each item, in order: the given name, else the default. A default that is taken gets
 * " (2)", " (3)" …, because the operator chose neither of two equal defaults.
 */
export function finalNames(
  items: readonly { readonly givenName: string; readonly defaultName: string }[],
): readonly string[] {
  const taken = new Set(items.map((item) => item.givenName).filter((name) => name !== ''))
  return items.map(({ givenName, defaultName }) => {
    if (givenName !== '') return givenName
    let name = defaultName
    for (let count = 2; taken.has(name); count++) name = `${defaultName} (${count})`
    taken.add(name)
    return name
  })
}

function reportDuplicateNames(reader: Reader, items: readonly Named[]): void {
  const seen = new Map<string, string>()
  for (const { path, givenName } of items) {
    if (givenName === '') continue
    const keyPath = joinPath(path, 'name')
    const first = seen.get(givenName)
    if (first === undefined) seen.set(givenName, keyPath)
    else {
      const where = `${first}${reader.lineNote(first)}`
      reader.report(keyPath, `"${givenName}" is also ${where}; give each a name of its own`)
    }
  }
}

function reportDuplicateAddresses(
  reader: Reader,
  relays: readonly RelayDraft[],
  admin: AdminConfig,
): void {
  const seen: { keyPath: string; address: Endpoint }[] = []
  const check = (keyPath: string, address: Endpoint) => {
    const first = seen.find((other) => overlaps(other.address, address))
    if (first !== undefined) {
      const where = `${first.keyPath}${reader.lineNote(first.keyPath)}`
      const message = `${renderAddress(address)} is taken by ${where}; give each a port of its own`
      reader.report(keyPath, message)
    }
    seen.push({ keyPath, address })
  }
  for (const { path, config, hasAddress } of relays) {
    if (hasAddress) check(joinPath(path, 'bind-addr'), config.bindAddress)
  }
  // A conflict with the default admin address is no error: opening the address will find it taken.
  if (admin.isConfigured && admin.bindAddress !== undefined) {
    check('admin.bind-addr', admin.bindAddress)
  }
}

function reportDuplicateFiles(reader: Reader, relays: readonly RelayDraft[]): void {
  const seen = new Map<string, string>()
  for (const { path, config } of relays.flatMap((relay) => relay.outputs)) {
    if (config.kind !== 'file') continue
    const keyPath = joinPath(path, OUTPUT_KEYS.location.name)
    const file = resolve(config.path)
    const first = seen.get(file)
    if (first === undefined) seen.set(file, keyPath)
    else {
      const where = `${first}${reader.lineNote(first)}`
      reader.report(keyPath, `the same file as ${where}; give each output a file of its own`)
    }
  }
}

/** The folder's lock would find a shared folder too, but only after the first relay is open. */
function reportDuplicateLogDirs(reader: Reader, relays: readonly RelayDraft[]): void {
  const seen = new Map<string, string>()
  for (const { path, config } of relays) {
    if (config.logDir === undefined) continue
    const keyPath = joinPath(path, 'log-dir')
    const folder = resolve(config.logDir)
    const first = seen.get(folder)
    if (first === undefined) seen.set(folder, keyPath)
    else {
      const where = `${first}${reader.lineNote(first)}`
      const message = `the same folder as ${where}; give each relay a folder of its own`
      reader.report(keyPath, message)
    }
  }
}

/** The log on disk finds each output's cursor by name, and always keeps a backlog. */
function reportLogDirConflicts(reader: Reader, relay: RelayDraft): void {
  if (relay.config.logDir === undefined) return
  for (const { path, givenName, config } of relay.outputs) {
    if (givenName === '') {
      reader.report(joinPath(path, 'name'), 'is missing; with log-dir each output needs a name')
    }
    if (config.bufferBytes === 0) {
      const keyPath = joinPath(path, OUTPUT_KEYS.bufferSize.name)
      reader.report(keyPath, '0 contradicts log-dir, which keeps a backlog; remove one of the two')
    }
  }
}
