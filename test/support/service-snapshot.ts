/** Snapshots with invented numbers, for tests of the code that renders them. */
import type { ServiceSnapshot } from '../../src/admin/snapshot.ts'
import type { OutputSnapshot } from '../../src/delivery/reporting/output-snapshot.ts'
import type { RelaySnapshot } from '../../src/relay/snapshot.ts'

/** An output that is up and idle, with 100 lines accounted for. */
export function outputSnapshot(parts: Partial<OutputSnapshot> = {}): OutputSnapshot {
  return {
    name: 'a',
    location: 'http://127.0.0.1:8086/write',
    kind: 'http',
    isUp: true,
    isInSync: true,
    downCause: '',
    stateAgeMs: 1500,
    acceptedLines: 100,
    pendingLines: 10,
    pendingWrites: 2,
    pendingBytes: 4096,
    formerLagWrites: 7,
    formerLagBytes: 70_000,
    boundBytes: 67_108_864,
    oldestPendingAgeMs: 250,
    outcomeLines: {
      delivered: 60,
      refused: 5,
      'dead-lettered': 0,
      dropped: 15,
      withdrawn: 6,
      filtered: 4,
    },
    droppedLines: {
      'backlog-full': 10,
      'one-attempt': 5,
      'over-mtu': 0,
      'send-error': 0,
      'log-lost': 0,
      shutdown: 0,
    },
    attempts: 30,
    failedAttempts: 3,
    timedOutAttempts: 2,
    splitBatches: 1,
    sentBytes: 123_456,
    backlogFullRefusals: 2,
    isRefusing: false,
    holds: 1,
    heldWrites: 1,
    heldBytes: 300,
    deadLetters: undefined,
    ...parts,
  }
}

export function relaySnapshot(parts: Partial<RelaySnapshot> = {}): RelaySnapshot {
  return {
    name: 'main',
    kind: 'http',
    acceptedWrites: 12,
    acceptedLines: 100,
    acceptedBytes: 5000,
    refusedWrites: {
      'memory-full': 1,
      'statements-full': 0,
      'backlog-full': 2,
      'no-output-up': 3,
      'too-few-outputs-up': 4,
      overloaded: 5,
      'log-full': 0,
      'log-failing': 0,
      'record-too-large': 0,
      closing: 0,
    },
    divergedWrites: 1,
    takesWrites: true,
    disk: undefined,
    logWrites: 2,
    logBytes: 4096,
    streams: 1,
    outputs: [outputSnapshot()],
    ...parts,
  }
}

export function serviceSnapshot(parts: Partial<ServiceSnapshot> = {}): ServiceSnapshot {
  return {
    version: '1.2.3',
    clockSteps: 0,
    startedAtMs: 1_790_000_000_500,
    memoryUsedBytes: 8192,
    memoryLimitBytes: 268_435_456,
    relays: [relaySnapshot()],
    listeners: [],
    ...parts,
  }
}
