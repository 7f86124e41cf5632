/**
 * What the documents show works: configurations parse, commands exist, links lead somewhere, and
 * the image answers from outside.
 *
 * Goal: nobody copies from the README or `docs/` what the program refuses. Method: reads the
 * documents as text and gives their TOML to the program's parser, their command lines to its own.
 * Whether a command does what the text says is tried by hand.
 */

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parseArguments } from '../src/cli/arguments/parse-arguments.ts'
import type { Config } from '../src/config/config.ts'
import { parseConfig, renderProblem } from '../src/config/parse-config.ts'
import { renderExample } from '../src/config/render/example.ts'

const ROOT = join(import.meta.dirname, '..')
/** What fits in a code block of a page on GitHub that is 830 pixels wide. */
const CODE_COLUMNS_MAX = 92

interface Document {
  /** From the root. */
  readonly path: string
  readonly text: string
}

interface CodeBlock {
  readonly path: string
  /** `toml`, `sh`, … or empty. */
  readonly language: string
  readonly text: string
}

const documents = globSync('{*.md,docs/**/*.md,bench/*.md}', { cwd: ROOT }).sort().map(read)
const guides = documents.filter(({ path }) => /^(README|docs\/[\w-]+)\.md$/.test(path))
const blocks = guides.flatMap(codeBlocks)

test('the version is the same wherever it stands, and the changelog begins with it', () => {
  const { version } = JSON.parse(read('package.json').text)
  const lock = JSON.parse(read('package-lock.json').text)
  assert.deepEqual([lock.version, lock.packages[''].version], [version, version])
  const label = /image\.version="(.+)"/.exec(read('Dockerfile').text)?.[1]
  assert.equal(label, version)
  const [unreleased, newest] = read('CHANGELOG.md').text.match(/^## .*$/gm) ?? []
  assert.equal(unreleased, '## Unreleased')
  assert.match(newest ?? '', new RegExp(`^## ${RegExp.escape(version)} - \\d{4}-\\d\\d-\\d\\d$`))
  const packed = guides.flatMap(({ text }) => [...text.matchAll(/line-relay-([\d.]+)\.tgz/g)])
  assert(packed.length > 0)
  for (const [, packedVersion] of packed) assert.equal(packedVersion, version)
})

test('every configuration in the documents parses', () => {
  const configurations = blocks.filter(({ language }) => language === 'toml')
  assert(configurations.length >= 10, 'there is one for each kind of output at least')
  for (const { path, text } of configurations) configOf({ path, text })
})

test("the image's configuration listens on every address, with its files in the volume", () => {
  const dockerfile = read('Dockerfile').text
  const volume = /^VOLUME (\S+)$/m.exec(dockerfile)?.[1] ?? assert.fail('the image has no volume')
  const copied = /^COPY (\S+) \/etc\/relay\/relay\.toml$/m.exec(dockerfile)?.[1]
  const config = configOf(read(copied ?? assert.fail('the image has no configuration')))
  const addresses = bindAddresses(config)
  assert.deepEqual(
    addresses.map(({ host }) => host),
    addresses.map(() => '0.0.0.0'),
  )
  const exposed = [...dockerfile.matchAll(/(\d+)\/tcp/g)].map(([, port]) => Number(port))
  assert.deepEqual(addresses.map(({ port }) => port).sort(), exposed.sort())
  const [relay] = config.http
  const files = relay?.outputs.flatMap((output) => (output.kind === 'file' ? [output.path] : []))
  for (const path of [relay?.logDir ?? '', ...(files ?? [])]) {
    assert(path.startsWith(`${volume}/`), `${path} is not in ${volume}`)
  }
  assert.equal(files?.length, 2, 'both outputs are files where no location is given')
})

test('locations that are given to the image by the environment are its outputs', () => {
  const used = new Set(
    [...guides, read('contrib/compose.yaml')].flatMap(({ text }) =>
      [...text.matchAll(/\b(OUTPUT_[A-Z])[=:]/g)].map(([, name = '']) => name),
    ),
  )
  assert.deepEqual([...used].sort(), ['OUTPUT_A', 'OUTPUT_B'])
  const variables = Object.fromEntries([...used].map((name) => [name, locationOf(name)]))
  const [relay] = configOf(read('contrib/docker/relay.toml'), variables).http
  assert.deepEqual(
    relay?.outputs.map((output) => output.location),
    ['OUTPUT_A', 'OUTPUT_B'].map(locationOf),
  )
})

test('the configuration for Kubernetes parses and listens on every address', () => {
  const text = read('contrib/kubernetes.yaml').text
  const indented = /relay\.toml: \|\n((?: {4}.*\n|\n)+)/.exec(text)?.[1] ?? ''
  const config = configOf({
    path: 'contrib/kubernetes.yaml',
    text: indented.replace(/^ {4}/gm, ''),
  })
  for (const { host } of bindAddresses(config)) assert.equal(host, '0.0.0.0')
})

test('a bare machine is told to listen to itself only', () => {
  const config = configOf({ path: 'relay.toml.example', text: renderExample() })
  for (const { host } of bindAddresses(config)) assert.equal(host, '127.0.0.1')
})

test('what the image is built from is not kept from it', () => {
  const rules = read('.dockerignore').text.split('\n')
  const allowed = rules.flatMap((rule) => (rule.startsWith('!') ? [rule.slice(1)] : []))
  const copies = [...read('Dockerfile').text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)]
  for (const source of copies.flatMap(([, sources = '']) => sources.split(' '))) {
    assert(existsSync(join(ROOT, source)), `${source} does not exist`)
    assert(
      allowed.some((path) => source === path || source.startsWith(`${path}/`)),
      `.dockerignore keeps ${source} out`,
    )
  }
})

test('files that the package has to bring are in it', () => {
  const { files } = packageManifest()
  const paths = ['contrib/line-relay.service', 'docs/operations.md', 'relay.toml.example']
  for (const path of paths) {
    assert(existsSync(join(ROOT, path)), `${path} does not exist`)
    assert(
      files.some((listed) => path === listed || path.startsWith(`${listed}/`)),
      `"files" in package.json leaves out ${path}`,
    )
  }
})

test('every link between the documents leads to a file and a heading', () => {
  const broken = documents.flatMap((document) =>
    linksOf(document)
      .filter((link) => !isThere(document.path, link))
      .map((link) => `${document.path}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every command in the documents is one of the program', () => {
  const commands = guides.flatMap(commandLines)
  assert(commands.length >= 30, `only ${commands.length} were found`)
  const wrong = commands.filter(({ chunks }) => !isUnderstood(chunks))
  assert.deepEqual(wrong, [])
})

test('every npm script that the documents name exists', () => {
  const { scripts } = packageManifest()
  const named = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(([, name = '']) => ({
      path,
      name,
    })),
  )
  assert.deepEqual(
    named.filter(({ name }) => !scripts.includes(name)),
    [],
  )
})

test('no code in the documents is cut at the right edge', () => {
  const tooWide = blocks.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line) => {
      return [...line].length > CODE_COLUMNS_MAX ? [`${path}: ${line}`] : []
    }),
  )
  assert.deepEqual(tooWide, [])
})

test('every promise of the README names its limits', () => {
  const rows = [...read('README.md').text.matchAll(/^\| (G\d+) *\| (.*?) *\| (.*?) *\|$/gm)]
  assert.deepEqual(
    rows.map(([, name]) => name),
    Array.from({ length: 10 }, (_, index) => `G${index + 1}`),
  )
  for (const [, name, promise, limits] of rows) {
    assert(promise !== '' && limits !== '', `${name} has an empty column`)
  }
})

function locationOf(variable: string): string {
  return `http://${variable.toLowerCase()}:8086/write`
}

function read(path: string): Document {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') }
}

function codeBlocks({ path, text }: Document): CodeBlock[] {
  return [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^ *```$/gm)].map(
    ([, indent = '', language = '', code = '']) => ({
      path,
      language,
      text: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  )
}

function configOf(source: Document, variables: Readonly<Record<string, string>> = {}): Config {
  const parsed = parseConfig(source, {
    variables: { INFLUX_TOKEN: 'token', ...variables },
    readFile: (path) => assert.fail(`${source.path} reads ${path}`),
  })
  if (parsed.kind === 'config') return parsed.config
  return assert.fail(parsed.problems.map((one) => renderProblem(source.path, one)).join('\n'))
}

function bindAddresses(config: Config) {
  const relays = [...config.http, ...config.udp].map(({ bindAddress }) => bindAddress)
  const { bindAddress: admin } = config.admin
  return admin === undefined ? relays : [...relays, admin]
}

function packageManifest(): { readonly files: string[]; readonly scripts: string[] } {
  const manifest: unknown = JSON.parse(read('package.json').text)
  assert(typeof manifest === 'object' && manifest !== null)
  assert('files' in manifest && Array.isArray(manifest.files))
  assert('scripts' in manifest && typeof manifest.scripts === 'object' && manifest.scripts !== null)
  return { files: manifest.files.map(String), scripts: Object.keys(manifest.scripts) }
}

/** Targets of links that stay in the repository. */
function linksOf({ text }: Document): string[] {
  const prose = text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').replaceAll(/`[^`\n]*`/g, 'code')
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
}

function isThere(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#')
  const path = file === '' ? from : join(dirname(from), file)
  if (!existsSync(join(ROOT, path))) return false
  return anchor === undefined || anchorsOf(read(path)).includes(anchor)
}

/** As GitHub makes them: lower case, without punctuation, spaces as dashes. */
function anchorsOf({ text }: Document): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

interface CommandLine {
  readonly path: string
  /** Its words, cut where an explanation may begin: at two spaces and more. */
  readonly chunks: readonly string[]
}

function commandLines(document: Document): CommandLine[] {
  const { path, text } = document
  const fenced = codeBlocks(document).map((block) => block.text)
  const indented = [...text.matchAll(/^ {4}(\S.*)$/gm)].map(([, line = '']) => line)
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  const lines = [...fenced, ...indented].flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'))
  return [...lines, ...inline].flatMap((line) => {
    const words = argumentsOf(line.trim())
    return words === undefined ? [] : [{ path, chunks: words.split(/ {2,}/) }]
  })
}

/** What follows the program's name in a line of a shell; `undefined` in any other line. */
function argumentsOf(line: string): string | undefined {
  const shown = /^(?:npx |sudo -u relay |PATH=\S+ )*relay (-?[a-z].*)$/.exec(line)
  const contained = /^(?:docker|kubectl) .*\/app\/bin\/relay\.js (.*)$/.exec(line)
  const image = /^docker run .*\bline-relay ([a-z].*)$/.exec(line)
  return (shown ?? contained ?? image)?.[1]?.replace(/ (?:[>#]|&&).*$/, '')
}

/** What a sentence that names a command leaves out. */
const UNSAID = ['', ' -config FILE', ' -config FILE -output NAME -yes']

/** Whether the words, or those before an explanation, are a command line that the program takes. */
function isUnderstood(chunks: readonly string[]): boolean {
  return chunks.some((_, index) => {
    const words = chunks
      .slice(0, index + 1)
      .join(' ')
      .replaceAll(/[[\]"]/g, '')
    return UNSAID.some(
      (unsaid) => parseArguments(`${words}${unsaid}`.split(/\s+/)).kind !== 'bad-usage',
    )
  })
}
