/** The list of words is read as it is meant: forms, parts of names, whole names, files. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BANNED_WORDS, type BannedWord, linesWith } from './support/banned-words.ts'

function isFound(banned: Omit<BannedWord, 'instead'>, text: string, path = 'src/a.ts'): boolean {
  return linesWith({ instead: 'another', ...banned }, { path, text }).length > 0
}

test('a word is found in a sentence, in a message, and as a part of a name', () => {
  const vote = { text: 'vote votes' }
  const found = ['// One vote.', "say('Votes count')", 'castVote(1)', 'VOTE_MAX', 'const votes = 1']
  for (const text of found) assert(isFound(vote, text), text)
  for (const text of ['// A voter.', 'devote()', 'votesmith', '// pivote']) {
    assert(!isFound(vote, text), text)
  }
  assert(isFound(vote, 'Each has one vote.', 'docs/a.md'))
  assert(isFound(vote, '', 'src/open-votes.ts'))
})

test('what is banned in code only may be said in a sentence', () => {
  const group = { name: 'Group', part: 'pace' }
  const code = ['class Group {}', 'const a = new Group(1)', 'setPace(1)', `a(\`\${Group}\`)`]
  for (const text of code) assert(isFound(group, text), text)
  const others = [
    '/** Group by group, at its pace. */',
    '// Group.',
    "say('Group it, at this pace')",
    `say(\`Group at a pace\nGroup \${total}\`)`,
    'GroupBuffer',
    'whitespace',
  ]
  for (const text of others) assert(!isFound(group, text), text)
  assert(!isFound(group, 'Group', 'docs/a.md'))
})

test('a name is found in comments and texts as well, unless it is an English word', () => {
  const retries = { name: 'inSlices Group', part: 'doubt' }
  const found = ['// See `Retries.doubt`.', '/** await inSlices(sum) */', "say('inSlices')"]
  for (const text of [...found, '/* `Group` */']) assert(isFound(retries, text), text)
  for (const text of ['// In doubt.', "say('Group')"]) assert(!isFound(retries, text), text)
})

test('a comment between strings that look like one is a comment, and an address is none', () => {
  assert(!isFound({ name: 'Group' }, "const a = 'it''s' // Group\n"))
  assert(isFound({ name: 'Group' }, "const a = 'http://b' + Group\n"))
  assert(isFound({ name: 'Group' }, '/* a */ Group /* b */'))
})

test('a file is banned by its whole name', () => {
  assert(isFound({ file: 'slices' }, '', 'src/std/slices.ts'))
  assert(!isFound({ file: 'slices' }, '', 'src/std/time-slices.ts'))
})

test('what users know by a word keeps it', () => {
  const lane = { text: 'lane', except: /`fast-lane`/g }
  assert(!isFound(lane, 'The key `fast-lane` turns it off.', 'docs/a.md'))
  assert(isFound(lane, 'The key `fast-lane` turns the lane off.', 'docs/a.md'))
})

test('every word of the list says what to write, and is looked for somewhere', () => {
  for (const { text, part, name, file, instead } of BANNED_WORDS) {
    assert.notEqual(instead, '')
    assert(text ?? part ?? name ?? file, `nothing is looked for in place of "${instead}"`)
  }
})
