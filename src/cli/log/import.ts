/**
 * `relay log import`: sends a file in the format of `influx -import` to a relay or to InfluxDB,
 * piece by piece and in order: statements to /query, lines to /write, in nanoseconds.
 *
 * Stops at the first failure and prints the line of the file, so that `-from-line` can start there.
 * Sending a piece again changes nothing: the points are the same. There is no other retry.
 *
 * Credentials come from the URL (`http://user:password@host`) or, hidden from `ps`, from
 * INFLUX_USERNAME and INFLUX_PASSWORD, or INFLUX_TOKEN. They are never printed.
 */

import { createReadStream } from 'node:fs'
import { errorText, RelayError } from '../../std/errors.ts'
import { printable } from '../../std/printable.ts'
import { renderBytes, renderCount } from '../../std/units.ts'
import { type CommandIo, EXIT_FAILURE, EXIT_OK } from '../io.ts'
import { ImportParser, type ImportPiece } from './import-parser.ts'
import { quoted, redactedStatement } from './printable-record.ts'

/** Longest wait for the answer to one piece. */
const ANSWER_MAX_MS = 60_000
const READ_BYTES = 256 * 1024
const ANSWER_CHARS_MAX = 500

interface ImportOptions {
  readonly fromPath: string
  readonly url: string
  readonly fromLine: number
}

interface Server {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
}

export async function importFile(options: ImportOptions, io: CommandIo): Promise<number> {
  const server = parseServer(options.url, io)
  const parser = new ImportParser(options.fromLine)
  const sent = { lines: 0, bytes: 0, statements: 0 }
  const send = async (pieces: readonly ImportPiece[]): Promise<boolean> => {
    for (const piece of pieces) {
      const why = await sendPiece(piece, server)
      if (why !== undefined) {
        io.stderr.write(renderStop(piece, { why, options, server, sent }))
        return false
      }
      if (piece.kind === 'statement') sent.statements++
      if (piece.kind !== 'lines') continue
      sent.lines += piece.lineCount
      sent.bytes += piece.body.length
    }
    return true
  }
  for await (const bytes of createReadStream(options.fromPath, { highWaterMark: READ_BYTES })) {
    if (!(await send(parser.push(bytes)))) return EXIT_FAILURE
  }
  if (!(await send(parser.end()))) return EXIT_FAILURE
  io.stdout.write(`sent ${renderSent(sent)} to ${server.url.host}\n`)
  return EXIT_OK
}

function parseServer(given: string, io: CommandIo): Server {
  const url = URL.parse(given)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    // Do not show the URL: it may contain a password.
    const message = 'the second argument of import must be a URL, such as http://127.0.0.1:9096'
    throw new RelayError('RELAY_USAGE', message)
  }
  const { variables } = io
  const [user, secret] = [decoded(url.username), decoded(url.password)]
  if (user === undefined || secret === undefined) {
    const message = 'the URL has a user or password that is not percent-encoded UTF-8'
    throw new RelayError('RELAY_USAGE', message)
  }
  const username = user || variables['INFLUX_USERNAME'] || ''
  const password = secret || variables['INFLUX_PASSWORD'] || ''
  const token = variables['INFLUX_TOKEN'] ?? ''
  url.username = ''
  url.password = ''
  // Accept a URL with `/write`, as configurations have it, and remove that path.
  url.pathname = url.pathname.replace(/(\/write)?\/?$/, '')
  if (username !== '') {
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    return { url, headers: { authorization } }
  }
  return { url, headers: token === '' ? {} : { authorization: `Token ${token}` } }
}

/** @returns `undefined` when it is no text */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** @returns why it failed, as a text */
async function sendPiece(piece: ImportPiece, server: Server): Promise<string | undefined> {
  switch (piece.kind) {
    case 'unusable':
      return piece.why
    case 'statement': {
      const form = new URLSearchParams({ q: piece.text })
      return await post(server, { path: '/query', parameters: {}, body: form })
    }
    case 'lines': {
      const { database, retentionPolicy, body } = piece
      const policy = retentionPolicy === '' ? {} : { rp: retentionPolicy }
      const parameters = { db: database, ...policy }
      return await post(server, { path: '/write', parameters, body })
    }
  }
}

interface Post {
  readonly path: string
  readonly parameters: Readonly<Record<string, string>>
  readonly body: Buffer | URLSearchParams
}

async function post(server: Server, { path, parameters, body }: Post): Promise<string | undefined> {
  const url = new URL(server.url)
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: server.headers,
      body: body instanceof URLSearchParams ? body : new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MAX_MS),
    })
    const text = await answer.text()
    // InfluxDB answers a refused statement with 200 and an error in the body.
    if (answer.status === 204 || (answer.status === 200 && !/"error":/.test(text))) return undefined
    return `answered ${answer.status}: ${printable(text.trim().slice(0, ANSWER_CHARS_MAX))}`
  } catch (error) {
    // The message of `fetch` is always "fetch failed"; the reason is in the cause.
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    return `did not answer: ${printable(errorText(cause))}`
  }
}

interface Sent {
  readonly lines: number
  readonly bytes: number
  readonly statements: number
}

function renderSent({ lines, bytes, statements }: Sent): string {
  const before = statements === 0 ? '' : `${renderCount(statements, 'statement')} and `
  return `${before}${renderCount(lines, 'line')}, ${renderBytes(bytes)}`
}

function renderStop(
  piece: ImportPiece,
  stop: {
    readonly why: string
    readonly options: ImportOptions
    readonly server: Server
    readonly sent: Sent
  },
): string {
  const { why, options, server, sent } = stop
  const { fromPath } = options
  const where = `relay: stopped at line ${piece.firstLine} of ${fromPath}`
  const goOn = `relay log import ${fromPath} URL -from-line`
  const before = `before it were sent ${renderSent(sent)}`
  if (piece.kind === 'unusable') return `${where}: ${why}; ${before}\n`
  if (piece.kind === 'statement') {
    const what = `${redactedStatement(piece.text)}: ${server.url.host} ${why}`
    const behindIt = `${goOn} ${piece.firstLine + 1}`
    return `${where}: ${what}; ${before}. To go on behind it: ${behindIt}\n`
  }
  const { firstLine, lastLine, database } = piece
  const what = `lines ${firstLine} to ${lastLine}, for database ${quoted(database)}`
  const partly = 'some of these may be stored, and to send them again changes nothing'
  const next = `${before}; ${partly}. Go on with: ${goOn} ${firstLine}`
  return `${where} (${what}): ${server.url.host} ${why}; ${next}\n`
}
