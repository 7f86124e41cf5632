/**
 * The programs that are compared: each accepts writes on a port and sends them to two outputs.
 *
 * The relay runs from the build (`npm run build`), with its defaults. The others are included if
 * they are on the PATH or in a variable of their name (`INFLUXDB_RELAY=…`, `NGINX=…`, `VMAGENT=…`).
 */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { startChild } from '../../test/support/child.ts'
import { freePort } from '../../test/support/free-port.ts'
import { relayConfig } from '../../test/support/relay-config.ts'
import { startRelayProcess } from '../../test/support/relay-process.ts'
import { until, withinLimit } from '../../test/support/wait.ts'
import type { Certificate } from './certificate.ts'
import { askVersion, environmentName, findProgram } from './installed-program.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const BUILT = join(ROOT, 'bin/relay.js')

export interface PeerPlace {
  /** Base URLs of two outputs. */
  readonly outputs: readonly string[]
  /** An empty folder for the peer's own files. */
  readonly folder: string
  /** With a certificate the peer uses TLS. */
  readonly certificate: Certificate | undefined
}

export interface RunningPeer extends AsyncDisposable {
  /** The parent of all processes of the peer. */
  readonly pid: number
  readonly port: number
}

export interface Peer {
  readonly name: string
  readonly canTls: boolean
  /** Number of requests after which the peer's speed is stable. */
  readonly warmUpRequests: number
  /** When the peer has used no CPU for this time, it has nothing left to do. */
  readonly quietMs: number
  /** The version; `undefined` when the program is not installed. */
  version(): Promise<string | undefined>
  /** Resolves when the peer accepts connections. */
  start(place: PeerPlace): Promise<RunningPeer>
}

const QUIET_MS = 150
/** For compiled programs. */
const WARM_UP_REQUESTS = 1_000
/** For Node, which compiles frequent code while it runs. */
const NODE_WARM_UP_REQUESTS = 20_000

export const relay: Peer = {
  name: 'line-relay',
  canTls: true,
  warmUpRequests: NODE_WARM_UP_REQUESTS,
  quietMs: QUIET_MS,
  version: relayVersion,
  start: (place) => startRelay(place, ''),
}

export const relayWithLog: Peer = {
  ...relay,
  name: 'line-relay with log-dir',
  start: (place) => startRelay(place, `log-dir = "${join(place.folder, 'log')}"`),
}

export const influxdbRelay: Peer = {
  name: 'influxdb-relay',
  canTls: false,
  warmUpRequests: WARM_UP_REQUESTS,
  quietMs: QUIET_MS,
  version: () => installedVersion('influxdb-relay', '-version'),
  async start({ outputs, folder }) {
    const port = await freePort()
    const file = join(folder, 'relay.toml')
    const tables = outputs.map((url, n) => `{ name = "output-${n}", location = "${url}/write" }`)
    await writeFile(
      file,
      `[[http]]\nname = "bench"\nbind-addr = "127.0.0.1:${port}"\noutput = [${tables.join(', ')}]\n`,
    )
    return await startForeign('influxdb-relay', ['-config', file], port)
  },
}

/** Forwards to the first output, and a copy to the second; parses nothing that it forwards. */
const nginxMirror: Peer = {
  name: 'nginx mirror',
  canTls: true,
  warmUpRequests: WARM_UP_REQUESTS,
  quietMs: QUIET_MS,
  version: () => installedVersion('nginx', '-v'),
  async start(place) {
    const port = await freePort()
    const file = join(place.folder, 'nginx.conf')
    await writeFile(file, nginxConfig(place, port))
    return await startForeign('nginx', ['-c', file, '-p', place.folder], port)
  },
}

/** Answers before it forwards, in blocks of its own format, once per second under low load. */
const vmagent: Peer = {
  name: 'vmagent',
  canTls: false,
  warmUpRequests: WARM_UP_REQUESTS,
  quietMs: 1_500,
  version: () => installedVersion('vmagent', '-version'),
  async start({ outputs, folder }) {
    const port = await freePort()
    const options = [
      `-httpListenAddr=127.0.0.1:${port}`,
      ...outputs.map((url) => `-remoteWrite.url=${url}/api/v1/write`),
      `-remoteWrite.tmpDataPath=${folder}`,
      '-loggerLevel=ERROR',
    ]
    return await startForeign('vmagent', options, port)
  },
}

export const PEERS: readonly Peer[] = [relay, relayWithLog, influxdbRelay, nginxMirror, vmagent]

/** Prints which peers are compared, and which are missing. @returns those that are installed */
export async function presentPeers(peers: readonly Peer[]): Promise<readonly Peer[]> {
  const versions = await Promise.all(peers.map((peer) => peer.version()))
  const present = peers.filter((_, index) => versions[index] !== undefined)
  const absent = peers.filter((_, index) => versions[index] === undefined)
  const named = peers.flatMap(({ name }, index) =>
    versions[index] === undefined ? [] : [`${name} (${versions[index]})`],
  )
  console.log(`\nCompared: ${named.join(', ')}.`)
  if (absent.length > 0) console.log(`Not installed: ${absent.map(({ name }) => name).join(', ')}.`)
  return present
}

/** In a new folder below `folder`. */
export async function startPeer(peer: Peer, place: PeerPlace): Promise<RunningPeer> {
  const folder = join(place.folder, peer.name.replaceAll(/\W+/g, '-'))
  await mkdir(folder, { recursive: true })
  return await peer.start({ ...place, folder })
}

async function relayVersion(): Promise<string> {
  const isBuilt = await access(join(ROOT, 'dist/main.js')).then(
    () => true,
    () => false,
  )
  if (!isBuilt) throw new Error('the relay is not built yet; run "npm run build"')
  const commit = await readFile(join(ROOT, 'dist/commit'), 'utf8').catch(() => '')
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  return `${version} ${commit.trim()}`.trim()
}

async function startRelay(place: PeerPlace, http: string): Promise<RunningPeer> {
  const { outputs, certificate } = place
  const tls = certificate === undefined ? '' : `ssl-combined-pem = "${certificate.combinedPath}"\n`
  const { toml, port } = await relayConfig({ outputs, http: tls + http, hasOwnTimes: true })
  const running = await startRelayProcess({ config: toml, program: BUILT })
  return { pid: running.pid, port, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

async function installedVersion(name: string, option: string): Promise<string | undefined> {
  const path = findProgram(name)
  return path === undefined ? undefined : await askVersion(path, option)
}

async function startForeign(
  name: string,
  args: readonly string[],
  port: number,
): Promise<RunningPeer> {
  const command = findProgram(name)
  if (command === undefined)
    throw new Error(`${name} is not on the PATH or in ${environmentName(name)}`)
  const printed: string[] = []
  const child = await startChild({ command, args, onLine: (line) => printed.push(line) })
  const end = async () => {
    // Not SIGKILL at once: nginx's workers would outlive it.
    child.signal('SIGTERM')
    await withinLimit(child.exited, { what: `${name} ends` }).catch(() => {})
    await child[Symbol.asyncDispose]()
  }
  try {
    const what = () => `${name} takes connections; it said: ${printed.join('\n')}`
    await until(() => isOpen(port), { what })
  } catch (error) {
    await end()
    throw error
  }
  return { pid: child.pid, port, [Symbol.asyncDispose]: end }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => answer(false))
    socket.once('connect', () => {
      socket.destroy()
      answer(true)
    })
  })
}

function nginxConfig({ outputs, folder, certificate }: PeerPlace, port: number): string {
  const upstreams = outputs.map((url, n) => {
    return `upstream output${n} { server ${new URL(url).host}; keepalive 512; }`
  })
  const tls =
    certificate === undefined
      ? ''
      : `ssl_certificate ${certificate.certificatePath}; ssl_certificate_key ${certificate.keyPath};`
  // By default the workers change to a user that cannot use the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `
daemon off; worker_processes auto; ${user} pid ${folder}/pid; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_max_body_size 64m; client_body_buffer_size 2m;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${upstreams.join('\n  ')}
  server {
    listen 127.0.0.1:${port}${certificate === undefined ? '' : ' ssl'} backlog=4096; ${tls}
    proxy_http_version 1.1; proxy_set_header Connection "";
    location /write { mirror /copy; proxy_pass http://output0; }
    location = /copy { internal; proxy_pass http://output1/write$is_args$args; }
  }
}
`
}
