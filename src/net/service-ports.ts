/**
 * Looks up ports by name, as in `127.0.0.1:http-alt`: in /etc/services, then among the few names
 * that Go knows without that file.
 */

export type PortLookup = (name: string) => number | undefined

const SERVICES_PATH = '/etc/services'
const KNOWN: ReadonlyMap<string, number> = new Map([
  ['domain', 53],
  ['ftp', 21],
  ['http', 80],
  ['https', 443],
  ['ssh', 22],
  ['telnet', 23],
])

/** @param readFile throws when the file does not exist */
export function portLookup(
  transport: 'tcp' | 'udp',
  readFile: (path: string) => string,
): PortLookup {
  return (name) => {
    const wanted = name.toLowerCase()
    return fromServices(wanted, transport, readFile) ?? KNOWN.get(wanted)
  }
}

/** Each line is one service: `http-alt  8080/tcp  webcache  # comment`. */
function fromServices(
  wanted: string,
  transport: 'tcp' | 'udp',
  readFile: (path: string) => string,
): number | undefined {
  let text = ''
  try {
    text = readFile(SERVICES_PATH)
  } catch {
    // Small systems do not have the file.
  }
  for (const line of text.split('\n')) {
    const [name, port = '', ...aliases] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/)
    const [number, of] = port.split('/')
    if (of === transport && (name === wanted || aliases.includes(wanted))) return Number(number)
  }
  return undefined
}
