/** Bodies like those of real clients, the same in every run. Each line ends in a newline. */
import { seededRandom } from '../../test/support/seeded-random.ts'

const T0 = 1_700_000_000_000_000_000n
const STEP_NS = 10_000_000n
const REGIONS = ['eu-west-1', 'us-east-1', 'ap-south-1']

/** Lines of about 100 bytes: three tags, three fields. */
export function plainLines(count: number, timestamps: 'with' | 'without' = 'with'): Buffer {
  const random = seededRandom(1)
  const below = (limit: number) => Math.floor(random() * limit)
  return joinLines(count, timestamps, () => {
    const host = `web-${String(below(200)).padStart(3, '0')}`
    const tags = `host=${host},region=${REGIONS[below(3)]},cpu=cpu${below(16)}`
    const user = (random() * 100).toFixed(3)
    return `cpu,${tags} usage_user=${user},usage_idle=${(random() * 100).toFixed(3)},n=${below(1000)}i`
  })
}

/** Lines like those of an agent such as Telegraf: some 250 bytes, long floats. */
export function telegrafLines(count: number): Buffer {
  const random = seededRandom(2)
  const below = (limit: number) => Math.floor(random() * limit)
  const float = (limit: number) => String(random() * limit)
  const tags = () => `dc=ams1,host=srv-${below(500)}.example.com,rack=r${below(40)}`
  const kinds = [
    () =>
      `cpu,cpu=cpu${below(32)},${tags()} usage_guest=0,usage_idle=${float(100)},` +
      `usage_iowait=${float(3)},usage_irq=0,usage_softirq=${float(1)},usage_steal=0,` +
      `usage_system=${float(10)},usage_user=${float(60)}`,
    () =>
      `mem,${tags()} active=${below(1e10)}i,available=${below(1e10)}i,` +
      `available_percent=${float(100)},cached=${below(1e10)}i,free=${below(1e10)}i,` +
      `total=${below(3e10)}i,used=${below(1e10)}i,used_percent=${float(100)}`,
    () =>
      `disk,device=nvme0n1p${below(4)},fstype=ext4,${tags()},path=/var/lib/data\\ ${below(4)} ` +
      `free=${below(1e12)}i,inodes_free=${below(1e8)}i,total=${below(1e12)}i,` +
      `used=${below(1e12)}i,used_percent=${float(100)}`,
    () =>
      `net,interface=eth${below(3)},${tags()} bytes_recv=${below(1e13)}i,` +
      `bytes_sent=${below(1e13)}i,drop_in=0i,drop_out=0i,err_in=0i,err_out=0i,` +
      `packets_recv=${below(1e11)}i,packets_sent=${below(1e11)}i`,
    () =>
      `system,${tags()} load1=${float(20)},load15=${float(20)},load5=${float(20)},n_cpus=32i,` +
      `uptime=${below(1e8)}i,uptime_format="${below(90)} days, ${below(24)}:05"`,
  ]
  return joinLines(count, 'with', (index) => kinds[index % kinds.length]?.() ?? '')
}

function joinLines(
  count: number,
  timestamps: 'with' | 'without',
  lineOf: (index: number) => string,
): Buffer {
  const lines = Array.from({ length: count }, (_, index) => {
    const time = timestamps === 'with' ? ` ${T0 + BigInt(index) * STEP_NS}` : ''
    return `${lineOf(index)}${time}\n`
  })
  return Buffer.from(lines.join(''))
}
