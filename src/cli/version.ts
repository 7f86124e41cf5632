/**
 * The build: version of the package, commit, version of Node.
 *
 * The build script writes the commit to `dist/commit`; in a checkout, git knows it. Else the commit
 * is "unknown": a guess would be worse in a bug report.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CommandIo, EXIT_OK, type VersionInfo } from './io.ts'

const UNKNOWN = 'unknown'

/** `src/cli` and `dist/cli` lie equally deep in the package. */
const PACKAGE_ROOT = join(import.meta.dirname, '../..')

export function version(io: CommandIo): number {
  io.stdout.write(`${renderVersion(io.version)}\n`)
  return EXIT_OK
}

/** `relay 0.2.0 (commit a21bfed, Node 26.10.0)` */
export function renderVersion(info: VersionInfo): string {
  return `relay ${info.version} (commit ${info.commit}, Node ${info.node})`
}

export function readVersion(): VersionInfo {
  return { version: readPackageVersion(), commit: readCommit(), node: process.versions.node }
}

function readPackageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'))
  const isManifest = typeof parsed === 'object' && parsed !== null && 'version' in parsed
  return isManifest ? String(parsed.version) : UNKNOWN
}

function readCommit(): string {
  const builtCommitPath = join(import.meta.dirname, '../commit')
  if (existsSync(builtCommitPath)) return readFileSync(builtCommitPath, 'utf8').trim() || UNKNOWN
  // Ask git only in our own checkout: git would answer for any repository around a copy of us.
  if (!existsSync(join(PACKAGE_ROOT, '.git'))) return UNKNOWN
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: PACKAGE_ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2000,
    }).trim()
  } catch {
    return UNKNOWN // No git, or another user's checkout. The relay can start without a commit.
  }
}
