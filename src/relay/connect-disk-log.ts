/** The log on disk as seen by one output: the output's cursor, and records instead of segments. */

import type { DeadLetters } from '../dead-letters/store.ts'
import type { Output } from '../delivery/output.ts'
import type { DiskLog } from '../log/disk-log.ts'
import type { MemoryLog } from '../log/memory-log.ts'
import type { LogRecord } from '../log/segments/record.ts'
import type { StoredLog, StoredRecord } from '../log/stored-log.ts'

export function storedLogOf(disk: DiskLog, outputIndex: number): StoredLog {
  const cursor = disk.cursorOf(outputIndex)
  return {
    done: cursor.done,
    statements: cursor.statements,
    firstOwnSequence: disk.nextSequence,
    isDoneElsewhere: (sequence) => disk.isDoneElsewhere(outputIndex, sequence),
    formerLag: (from, to) => disk.formerLag(outputIndex, from, to),
    noteWritten: (checkpoint, sequences) => cursor.noteWritten(checkpoint, sequences),
    ownership: disk.ownership,
    recordGap: (given) => disk.recordGap(outputIndex, given),
    openReader: (fromSequence) => {
      const reader = disk.openReader(fromSequence)
      return {
        read: async () => (await reader.read()).map(storedRecord),
        [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
      }
    },
  }
}

/** Gives the log on disk its callbacks to the outputs and to the log in memory. */
export function connect(
  disk: DiskLog,
  memory: MemoryLog,
  outputs: readonly Output[],
  deadLetters: readonly DeadLetters[],
): void {
  disk.connect({
    isUp: (index) => outputs[index]?.isUp === true,
    dropBelow: (index, below) => outputs[index]?.dropBelow(below),
    async checkDeadLetters(isForced) {
      await Promise.all(deadLetters.map((letters) => letters.look(isForced)))
    },
    handOver() {
      for (const output of outputs) output.handOver()
    },
    writesInMemory() {
      const loaded = outputs.flatMap(({ memoryHolder }) => memoryHolder?.window.entries() ?? [])
      return [...memory.entries(), ...loaded]
    },
  })
}

function storedRecord({ sequence, content }: LogRecord): StoredRecord {
  if (content.kind !== 'write') return { sequence, write: undefined, output: undefined }
  return { sequence, write: content.write, output: content.output }
}
