/**
 * How fast is the log on disk? Prints appends and MB per second, how many records share a sync, and
 * how long an append waits, for records of 100 bytes, 10 kB and 500 kB from 1, 16 and 64 appenders
 * at once; then the same with every sync 2 ms longer, as on a slower disk.
 *
 * Run: `node bench/log.ts [SECONDS] [SYNC_DELAY_MS]`: the length of a round, and the delay added to
 * each sync. The log is in the folder for temporary files: set TMPDIR to the disk in question,
 * because a TMPDIR in memory shows nothing. Medians of 3 rounds.
 */
import { type FileSystem, nodeFileSystem } from '../src/log/file-system.ts'
import type { RecordContent } from '../src/log/segments/record.ts'
import type { SegmentLog } from '../src/log/segments/segment-log.ts'
import { contentOf, openTestLog } from '../test/support/disk-log-fixture.ts'
import { temporaryFolder } from '../test/support/temporary-folder.ts'
import { printMachine, printTable, tellProgress } from './support/report.ts'
import { figure, median, percentile } from './support/statistics.ts'

const SECONDS = Number(process.argv[2] ?? 0.3)
const SYNC_DELAY_MS = Number(process.argv[3] ?? 2)
const ROUNDS = 3
const RECORD_BYTES: Readonly<Record<string, number>> = {
  '100 B': 100,
  '10 kB': 10_000,
  '500 kB': 500_000,
}
const APPENDERS = [1, 16, 64]

interface Round {
  readonly appendsPerSecond: number
  readonly recordsPerSync: number
  /** In milliseconds, ascending. */
  readonly waitsMs: Float64Array
}

printMachine()
console.log(`Medians of ${ROUNDS} rounds of ${SECONDS} s.`)
await measureAll(nodeFileSystem, '**As the disk is**')
await measureAll(
  withSlowerSync(nodeFileSystem, SYNC_DELAY_MS),
  `**Every sync ${SYNC_DELAY_MS} ms longer**`,
)

async function measureAll(files: FileSystem, title: string): Promise<void> {
  const head = ['record', 'appenders', 'appends/s', 'MB/s', 'records/sync', 'p50 ms', 'p99 ms']
  const rows: string[][] = []
  for (const [name, bytes] of Object.entries(RECORD_BYTES)) {
    for (const appenders of APPENDERS) {
      tellProgress(`${name} from ${appenders}`)
      const rounds = await measureCase(files, bytes, appenders)
      const of = (read: (round: Round) => number) => figure(median(rounds.map(read)))
      rows.push([
        ...[name, String(appenders), of(({ appendsPerSecond }) => appendsPerSecond)],
        of(({ appendsPerSecond }) => (appendsPerSecond * bytes) / 1e6),
        of(({ recordsPerSync }) => recordsPerSync),
        of(({ waitsMs }) => percentile(waitsMs, 0.5)),
        of(({ waitsMs }) => percentile(waitsMs, 0.99)),
      ])
    }
  }
  tellProgress('')
  printTable(head, rows, title)
}

async function measureCase(files: FileSystem, bytes: number, appenders: number): Promise<Round[]> {
  await using stack = new AsyncDisposableStack()
  const folder = await temporaryFolder({ after: (end) => stack.defer(end) })
  const log = stack.use(await openTestLog(files, { folder }))
  const content = contentOf(Buffer.alloc(bytes, 'x'))
  await measureRound(log, content, appenders) // Warms up the first segment and the compiler.
  const rounds: Round[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await log.trimBelow(log.nextSequence)
    rounds.push(await measureRound(log, content, appenders))
  }
  return rounds
}

/** Each appender appends its next record when the last one is on the disk. */
async function measureRound(
  log: SegmentLog,
  content: RecordContent,
  appenders: number,
): Promise<Round> {
  const syncsBefore = log.syncedGroups
  const waits: number[] = []
  const startedAt = performance.now()
  const endsAt = startedAt + SECONDS * 1000
  const appendOn = async () => {
    for (let now = startedAt; now < endsAt; ) {
      const beganAt = performance.now()
      const result = await log.append(content)?.result
      if (result?.kind !== 'durable') throw new Error('an append has failed')
      now = performance.now()
      waits.push(now - beganAt)
    }
  }
  await Promise.all(Array.from({ length: appenders }, appendOn))
  const seconds = (performance.now() - startedAt) / 1000
  return {
    appendsPerSecond: waits.length / seconds,
    recordsPerSync: waits.length / (log.syncedGroups - syncsBefore),
    waitsMs: Float64Array.from(waits).sort(),
  }
}

function withSlowerSync(files: FileSystem, delayMs: number): FileSystem {
  return {
    ...files,
    async open(path, mode) {
      const file = await files.open(path, mode)
      const sync = async () => {
        await file.sync()
        await new Promise((resolve) => setTimeout(resolve, delayMs))
      }
      return { ...file, sync }
    },
  }
}
