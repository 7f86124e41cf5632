import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cursor } from '../../../src/log/cursors/cursor-file.ts'
import {
  type OutputPosition,
  OwedFilter,
  positionsOf,
} from '../../../src/log/cursors/output-positions.ts'
import { recordOf } from '../../support/log-on-disk.ts'

function cursorOf(
  output: string,
  doneBelow: number,
  parts: Partial<Pick<Cursor, 'done' | 'since'>> = {},
): Cursor {
  return { output, doneBelow, done: [], files: [], ...parts }
}

/** Numbers of the records from 1 to 10 that it is owed. */
function owed(position: OutputPosition | undefined, output?: string): number[] {
  assert(position !== undefined)
  const owed = new OwedFilter(position)
  const target = output === undefined ? {} : { output }
  const content = recordOf({ body: 'm v=1 1\n', ...target })
  const numbers = Array.from({ length: 10 }, (_, index) => index + 1)
  return numbers.filter((sequence) => owed.isOwed({ sequence, bytes: 100, content }))
}

const KNOWN = {
  configured: ['a', 'lost', 'new'],
  rosters: [
    ['a', 'lost', 'former'],
    ['a', 'lost'],
  ],
  cursors: [
    cursorOf('a', 4, {
      done: [
        [6, 7],
        [9, 9],
      ],
    }),
    cursorOf('renamed', 8, { since: 3 }),
  ],
}

test('a cursor, a roster, or neither says what an output is owed', () => {
  const positions = positionsOf(KNOWN)
  const brief = positions.map(({ output, isConfigured, from }) => [output, isConfigured, from])
  assert.deepEqual(brief, [
    ['a', true, 'cursor'],
    ['lost', true, 'roster'],
    ['new', true, 'tail'],
    ['former', false, 'nothing'],
    ['renamed', false, 'cursor'],
  ])
  assert.deepEqual(
    positions.map((position) => owed(position)),
    [[4, 5, 8, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [], [], [8, 9, 10]],
  )
})

test('an output that was new then never had what was there before it', () => {
  const sinces = positionsOf(KNOWN).map(({ output, since }) => [output, since])
  assert.deepEqual(sinces, [
    ['a', 0],
    ['lost', 0],
    ['new', undefined],
    ['former', undefined],
    ['renamed', 3],
  ])
})

test('without a configuration the newest roster stands for it', () => {
  const positions = positionsOf({ ...KNOWN, configured: undefined })
  assert.deepEqual(
    positions.filter(({ isConfigured }) => isConfigured).map(({ output }) => output),
    ['a', 'lost'],
  )
  assert.deepEqual(positionsOf({ configured: undefined, rosters: [], cursors: [] }), [])
})

test('a record for one output only is owed by no other', () => {
  const [a, lost] = positionsOf(KNOWN)
  assert.deepEqual(owed(a, 'a'), [4, 5, 8, 10])
  assert.deepEqual(owed(lost, 'a'), [])
})
