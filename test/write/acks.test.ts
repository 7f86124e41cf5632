import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Ack,
  type AckPolicy,
  type Decision,
  decide,
  PendingAck,
  strongerPolicy,
} from '../../src/write/acks.ts'
import { refusedReply } from '../../src/write/reply.ts'

/** Acks as letters: s stored, r refused, f failed, o open. */
function decideOn(policy: AckPolicy, acks: string): Decision {
  const count = (letter: string) => acks.split(letter).length - 1
  const counts = {
    voters: acks.length,
    stored: count('s'),
    refused: count('r'),
    failed: count('f'),
  }
  return decide(policy, counts)
}

test('any: yes at the first that stored, no when all have spoken, a refusal before a failure', () => {
  const check = (acks: string, expected: Decision) =>
    assert.equal(decideOn('any', acks), expected, acks)
  check('oo', 'open')
  check('so', 'stored')
  check('sr', 'stored')
  check('sf', 'stored')
  check('ro', 'open')
  check('fo', 'open')
  check('rf', 'refused')
  check('rr', 'refused')
  check('ff', 'unavailable')
})

test('quorum and all: decided as soon as they cannot be met', () => {
  const check = (policy: AckPolicy, acks: string, expected: Decision) =>
    assert.equal(decideOn(policy, acks), expected, `${policy} ${acks}`)
  check('quorum', 'soo', 'open')
  check('quorum', 'sso', 'stored')
  check('quorum', 'sff', 'unavailable')
  check('quorum', 'sf', 'unavailable')
  check('all', 'ss', 'stored')
  check('all', 'so', 'open')
  check('all', 'ro', 'refused')
  check('all', 'sr', 'refused')
  check('all', 'ff', 'unavailable')
})

test('the decision does not depend on the order of the acks', () => {
  const policies: AckPolicy[] = ['any', 'quorum', 'all']
  const finals = ['s', 'r', 'f']
  for (const policy of policies) {
    for (const a of finals) {
      for (const b of finals) {
        const settle = (first: string) => {
          const early = decideOn(policy, `${first}o`)
          return early === 'open' ? decideOn(policy, a + b) : early
        }
        assert.equal(settle(a), settle(b), `${policy} ${a}${b}`)
      }
    }
  }
})

test('where every filter held the write back, there is nothing to refuse', () => {
  assert.equal(decide('any', { voters: 0, stored: 0, refused: 0, failed: 0 }), 'stored')
})

test('log: being in the log is enough', () => assert.equal(decideOn('log', 'oo'), 'stored'))

test('a request can only strengthen the policy', () => {
  assert.equal(strongerPolicy('any', undefined), 'any')
  assert.equal(strongerPolicy('any', 'all'), 'all')
  assert.equal(strongerPolicy('all', 'any'), 'all')
  assert.equal(strongerPolicy('quorum', 'any'), 'quorum')
})

test('of several refusals the first output speaks, whoever was faster', () => {
  const acks: Ack[] = ['open', 'open']
  const pending = new PendingAck('any', acks)
  pending.refuse(1, refusedReply(404, 'second'))
  assert.equal(pending.decision(), 'open')
  pending.refuse(0, refusedReply(400, 'first'))
  assert.equal(pending.decision(), 'refused')
  assert.equal(pending.refusal().error, 'first')
})

test('a failed ack is corrected by a later success, an output that is no voter changes nothing', () => {
  const pending = new PendingAck('any', ['open', 'open', 'none'])
  pending.set(2, 'stored')
  pending.set(0, 'failed')
  assert.equal(pending.decision(), 'open')
  pending.set(0, 'stored')
  assert.equal(pending.decision(), 'stored')
})
