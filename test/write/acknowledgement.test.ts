import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AcknowledgementPolicy,
  type Decision,
  decide,
  strongerPolicy,
} from '../../src/write/acknowledgement.ts'
import { Ballot, type Vote } from '../../src/write/ballot.ts'
import { refusedReply } from '../../src/write/reply.ts'

/** Votes as letters: s stored, r refused, f failed, o open. */
function decideOn(policy: AcknowledgementPolicy, votes: string): Decision {
  const count = (letter: string) => votes.split(letter).length - 1
  const tally = {
    electors: votes.length,
    stored: count('s'),
    refused: count('r'),
    failed: count('f'),
  }
  return decide(policy, tally)
}

test('any: yes at the first that stored, no when all have spoken, a refusal before a failure', () => {
  const check = (votes: string, expected: Decision) =>
    assert.equal(decideOn('any', votes), expected, votes)
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
  const check = (policy: AcknowledgementPolicy, votes: string, expected: Decision) =>
    assert.equal(decideOn(policy, votes), expected, `${policy} ${votes}`)
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

test('the decision does not depend on the order of the votes', () => {
  const policies: AcknowledgementPolicy[] = ['any', 'quorum', 'all']
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
  assert.equal(decide('any', { electors: 0, stored: 0, refused: 0, failed: 0 }), 'stored')
})

test('log: being in the log is enough', () => assert.equal(decideOn('log', 'oo'), 'stored'))

test('a request can only strengthen the policy', () => {
  assert.equal(strongerPolicy('any', undefined), 'any')
  assert.equal(strongerPolicy('any', 'all'), 'all')
  assert.equal(strongerPolicy('all', 'any'), 'all')
  assert.equal(strongerPolicy('quorum', 'any'), 'quorum')
})

test('of several refusals the first output speaks, whoever was faster', () => {
  const votes: Vote[] = ['open', 'open']
  const ballot = new Ballot('any', votes)
  ballot.refuse(1, refusedReply(404, 'second'))
  assert.equal(ballot.decision(), 'open')
  ballot.refuse(0, refusedReply(400, 'first'))
  assert.equal(ballot.decision(), 'refused')
  assert.equal(ballot.refusal().error, 'first')
})

test('a failed vote is mended by a later success, an output without a vote changes nothing', () => {
  const ballot = new Ballot('any', ['open', 'open', 'none'])
  ballot.vote(2, 'stored')
  ballot.vote(0, 'failed')
  assert.equal(ballot.decision(), 'open')
  ballot.vote(0, 'stored')
  assert.equal(ballot.decision(), 'stored')
})
