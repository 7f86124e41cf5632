/**
 * Ports by name, as in `127.0.0.1:http-alt`: those of /etc/services, and a few that Go knows
 * without it.
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

/** @param readFile throws where there is no such file */
export function portLookup(
  transport: 'tcp' | 'udp',
  readFile: (path: string) => string,
): PortLookup {
  return (name) => {
    const wanted = name.toLowerCase()
    return fromServices(wanted, transport, readFile) ?? KNOWN.get(wanted)
  }
}

/** One service a line: `http-alt  8080/tcp  webcache  # comment`. */
function fromServices(
  wanted: string,
  transport: 'tcp' | 'udp',
  readFile: (path: string) => string,
): number | undefined {
  let text = ''
  try {
    text = readFile(SERVICES_PATH)
  } catch {
    // Small systems do not have it.
  }
  for (const line of text.split('\n')) {
    const [name, port = '', ...aliases] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/)
    const [number, of] = port.split('/')
    if (of === transport && (name === wanted || aliases.includes(wanted))) return Number(number)
  }
  return undefined
}
