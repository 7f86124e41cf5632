/**
 * The house rules that no linter knows, as a test: layers, cycles, sizes, banned words, who may use
 * what.
 *
 * Goal: a stranger finds each thing in its room, and reviewers need not look for what a machine
 * sees. Method: reads the sources as text. A rule names what to do instead.
 */

import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../src/config/parse-config.ts'
import { renderExample } from '../src/config/render/example.ts'
import { BANNED_WORDS, linesWith } from './support/banned-words.ts'
import { unreadMembers } from './support/unread-members.ts'

const ROOT = join(import.meta.dirname, '..')
const LINE_MAX = 100
const FILE_LINES_MAX = 350
const FOLDER_FILES_MAX = 15
/** Read by name, not as a whole: files named by promises of the README, and what all tests share. */
const WIDE_FOLDERS = ['test/guarantees', 'test/support']

/** Low to high. A file imports lower rooms and its own; rooms of one row do not know each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['std'],
  ['line-protocol', 'net'],
  ['write'],
  ['config'],
  ['log', 'process'],
  ['dead-letters', 'destinations'],
  ['delivery'],
  ['relay'],
  ['listeners'],
  ['admin'],
  ['service.ts'],
  ['cli'],
  ['main.ts'],
]

/** Which files may import which package. Others go through them. */
const PACKAGE_USERS: Readonly<Record<string, RegExp>> = {
  fastify: /^src\/(listeners\/http\/(listener|routes)|admin\/server)\.ts$/,
  undici: /^src\/destinations\/http\/(http-destination|exchange|salvage)\.ts$/,
  '@iarna/toml': /^src\/config\/read\/toml\.ts$/,
  'dgram-as-promised': /^src\/net\/udp-socket\.ts$/,
  re2js: /^src\/config\/sections\/go-regexp\.ts$/,
  pino: /^src\/process\/create-logger\.ts$/,
  'close-with-grace': /^src\/(cli\/run|process\/stop-signals)\.ts$/,
}

/** Public members of classes whose reader the compiler does not see. */
const READ_ELSEWHERE: readonly { readonly member: RegExp; readonly by: string }[] = [
  {
    member: /^src\/listeners\/http\/canonical\/connection\.ts: CanonicalConnection\./,
    by: "node's HTTP server, and everything that reads a request's socket: it stands in for one",
  },
]

interface Ban {
  readonly pattern: RegExp
  readonly instead: string
  /** Where it is allowed. */
  readonly except: RegExp
}

const BANS: readonly Ban[] = [
  {
    pattern: /\bDate\.now\(/,
    instead: 'take the time from a Clock (std/clock.ts)',
    except: /^(src\/std\/clock\.ts|test\/|bench\/)/,
  },
  {
    pattern: /\b(setTimeout|setInterval)\(/,
    instead: 'start timers with a Clock (std/clock.ts)',
    // The latter has a socket's method of that name, which node calls.
    except: /^(src\/std\/clock\.ts|src\/listeners\/http\/canonical\/connection\.ts|test\/|bench\/)/,
  },
  {
    pattern: /\bconsole\./,
    instead: 'log through a Logger, print through CommandIo',
    except: /^(src\/main\.ts|test\/|bench\/)/,
  },
  {
    pattern: /\bprocess\.env\b/,
    instead: 'take the variables as an argument',
    except: /^(src\/(config|cli|process)\/|src\/main\.ts|test\/|bench\/)/,
  },
  {
    pattern: /\b(TODO|FIXME|XXX)\b(?!.*#\d+)/,
    instead: 'do it, or open an issue and name its number (#12)',
    except: /^$/,
  },
  {
    pattern: /\b(test|it|describe|suite)\.only\(/,
    instead: 'run one test with --test-name-pattern',
    except: /^$/,
  },
  {
    pattern: /assert.*performance\.now\(\) - \w+ </,
    instead: 'wait for the event (CONTRIBUTING.md); speed is measured in bench/',
    except: /^$/,
  },
  {
    pattern: /@ts-ignore|@ts-nocheck|c8 ignore|node:coverage (ignore|disable)/,
    instead: 'make it reachable, typed, tested',
    except: /^$/,
  },
]

interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string
  readonly text: string
  /** Relative imports as paths from the root, then packages by name. */
  readonly imports: readonly string[]
  readonly packages: readonly string[]
}

const sources = readFiles('src')
const tests = readFiles('test')
const others = [...readFiles('bench'), ...readFiles('tools'), ...readFiles('wasm')]
const self = relative(ROOT, import.meta.filename)
/** This file names what it bans. */
const checked = [...sources, ...tests, ...others].filter(({ path }) => path !== self)
/** What people read of the program: code, messages, help, documents. */
const prose = [
  ...sources,
  ...globSync('{README,CONTRIBUTING}.md', { cwd: ROOT }).map(readText),
  ...globSync('docs/**/*.md', { cwd: ROOT }).sort().map(readText),
  readText('relay.toml.example'),
]
const byPath = new Map([...sources, ...tests].map((file) => [file.path, file]))

test('a file imports only lower layers and its own folder', () => {
  const wrong = sources.flatMap((file) =>
    file.imports
      .filter((imported) => !mayImport(file.path, imported))
      .map((imported) => `${file.path} imports ${imported}`),
  )
  assert.deepEqual(wrong, [])
})

test('imports form no cycle', () => {
  const finished = new Set<string>()
  const visit = (path: string, above: readonly string[]): void => {
    if (finished.has(path)) return
    assert(!above.includes(path), `cycle: ${[...above, path].join(' → ')}`)
    for (const imported of byPath.get(path)?.imports ?? []) visit(imported, [...above, path])
    finished.add(path)
  }
  for (const { path } of sources) visit(path, [])
})

test('each package is known only to the files named for it', () => {
  const wrong = sources.flatMap(({ path, packages }) =>
    packages
      .filter((name) => PACKAGE_USERS[name]?.test(path) !== true)
      .map((name) => `${path} imports ${name}`),
  )
  assert.deepEqual(wrong, [])
})

test('the lowest layer imports nothing but Node', () => {
  const wrong = sources.filter(({ path, packages }) => {
    return path.startsWith('src/std/') && packages.length > 0
  })
  assert.deepEqual(pathsOf(wrong), [])
})

test('every test file is named so that the runner finds it', () => {
  const wrong = tests.filter(({ path }) => {
    return !path.startsWith('test/support/') && !path.endsWith('.test.ts')
  })
  assert.deepEqual(pathsOf(wrong), [])
})

test('every source file begins by saying what it owns', () => {
  const wrong = sources.filter(({ text }) => !text.startsWith('/**'))
  assert.deepEqual(pathsOf(wrong), [])
})

test(`no line has more than ${LINE_MAX} columns`, () => {
  const wrong = checked.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      // Test names are whole sentences, and data is what it is.
      const isLiteral = !path.startsWith('src/') && /['"`].{60}/.test(line)
      return [...line].length > LINE_MAX && !isLiteral ? [`${path}:${index + 1}`] : []
    }),
  )
  assert.deepEqual(wrong, [])
})

test(`no source file has more than ${FILE_LINES_MAX} lines`, () => {
  const wrong = sources
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > FILE_LINES_MAX)
  assert.deepEqual(wrong, [])
})

test(`no folder has more than ${FOLDER_FILES_MAX} files of its own`, () => {
  const folders = Object.groupBy([...sources, ...tests], ({ path }) => dirname(path))
  const wrong = Object.entries(folders)
    .map(([folder, files = []]) => ({ folder, files: files.length }))
    .filter(({ folder, files }) => files > FOLDER_FILES_MAX && !WIDE_FOLDERS.includes(folder))
  assert.deepEqual(wrong, [], 'part it by subject; see the rooms in docs/ARCHITECTURE.md')
})

for (const { pattern, instead, except } of BANS) {
  test(`nothing matches ${pattern}; instead: ${instead}`, () => {
    const wrong = checked
      .filter(({ path }) => !except.test(path))
      .flatMap(({ path, text }) =>
        withoutComments(text, pattern)
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
      )
    assert.deepEqual(wrong, [])
  })
}

test('every source file is imported by some test, so that coverage counts it', () => {
  const reached = new Set<string>()
  const reach = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const imported of byPath.get(path)?.imports ?? []) reach(imported)
  }
  for (const { path } of tests) reach(path)
  // The process itself is tried as a process, and imports nothing that the rest does not.
  reach('src/main.ts')
  assert.deepEqual(pathsOf(sources.filter(({ path }) => !reached.has(path))), [])
})

test('no word is used that only this project knows', () => {
  const wrong = BANNED_WORDS.flatMap((banned) =>
    prose.flatMap((file) => linesWith(banned, file).map((line) => `${line}   → ${banned.instead}`)),
  )
  assert.deepEqual(wrong, [])
})

test('every public member of a class is read in src/, not by tests alone', () => {
  const unread = unreadMembers(ROOT)
  const wrong = unread.filter((label) => !READ_ELSEWHERE.some(({ member }) => member.test(label)))
  assert.deepEqual(wrong, [], 'remove it, or make what reads it part of the program')
  for (const { member, by } of READ_ELSEWHERE) {
    assert(
      unread.some((label) => member.test(label)),
      `${member} is named as read by ${by}, which is no longer needed`,
    )
  }
})

test('relay.toml.example is what the table of keys says, and parses', () => {
  const text = readFileSync(join(ROOT, 'relay.toml.example'), 'utf8')
  assert.equal(text, renderExample(), 'write what `relay config` prints into it')
  const readFile = () => assert.fail('the example reads a file')
  const parsed = parseConfig({ path: 'relay.toml.example', text }, { variables: {}, readFile })
  assert.equal(parsed.kind, 'config', JSON.stringify(parsed))
})

test('the pinned Node is the same in .node-version, the lock file and the image', () => {
  const pinned = readFileSync(join(ROOT, '.node-version'), 'utf8').trim()
  const runtime: unknown = JSON.parse(
    readFileSync(join(ROOT, 'tools/node-runtime/package.json'), 'utf8'),
  )
  assert(typeof runtime === 'object' && runtime !== null && 'version' in runtime)
  assert.equal(runtime.version, pinned)
  const image = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  const bases = [...image.matchAll(/^FROM node:(\S+?)-/gm)].map(([, version]) => version)
  assert.deepEqual(
    bases,
    bases.map(() => pinned),
  )
  assert.equal(process.versions.node.split('.')[0], pinned.split('.')[0])
})

function pathsOf(files: readonly SourceFile[]): string[] {
  return files.map(({ path }) => path)
}

function layerOf(path: string): number {
  const room = path.split('/')[1] ?? ''
  const layer = LAYERS.findIndex((rooms) => rooms.includes(room))
  assert(layer >= 0, `${path} is in no layer; add its room to LAYERS`)
  return layer
}

function mayImport(importer: string, imported: string): boolean {
  if (layerOf(imported) < layerOf(importer)) return true
  return importer.split('/')[1] === imported.split('/')[1]
}

function readFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map(readSource)
}

function readText(path: string): { readonly path: string; readonly text: string } {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') }
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\b[^'"`;]*?from '([^']+)'/gm),
    ...text.matchAll(/^import '([^']+)'/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ].map(([, specifier = '']) => specifier)
  return {
    path,
    text,
    imports: specifiers
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => join(dirname(path), specifier)),
    packages: specifiers
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .map(packageName),
  }
}

/** `fastify/types/x` → `fastify`, `@iarna/toml/parse` → `@iarna/toml`. */
function packageName(specifier: string): string {
  const [first = '', second = ''] = specifier.split('/')
  return first.startsWith('@') ? `${first}/${second}` : first
}

/** A comment may name what code may not use; marks for work left undone stand nowhere else. */
function withoutComments(text: string, pattern: RegExp): string {
  if (pattern.source.includes('TODO') || pattern.source.includes('ignore')) return text
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/(^|\s)\/\/.*$/gm, '$1')
}
