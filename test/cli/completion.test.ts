/** Shell completion: the script for bash is run by bash, as a person presses the tab key. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { COMMAND_NAMES, flagsOf } from '../../src/cli/arguments/commands.ts'
import { spelled } from '../../src/cli/arguments/flags.ts'
import { completion, type Shell } from '../../src/cli/completion.ts'
import { capturedIo } from '../support/captured-io.ts'

function scriptFor(shell: Shell): string {
  const io = capturedIo()
  assert.equal(completion(shell, io), 0)
  return io.out()
}

/** @param line what stands before the cursor; ends in a space when the next word is empty */
function completedByBash(line: string): string[] {
  const words = line.split(' ').map((word) => `'${word}'`)
  const program = `${scriptFor('bash')}
COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _relay
printf '%s\\n' "\${COMPREPLY[@]}"`
  const text = execFileSync('bash', ['-c', program], { encoding: 'utf8', cwd: import.meta.dirname })
  return text.split('\n').filter((word) => word !== '')
}

test('bash completes commands, their flags, and the values of flags', () => {
  assert.deepEqual(completedByBash('relay qu'), ['quick-start'])
  assert.deepEqual(completedByBash('relay log st'), ['status'])
  assert.deepEqual(completedByBash('relay log status -j'), ['-json'])
  assert.deepEqual(completedByBash('relay dead purge -'), [
    ...flagsOf('dead purge').map(spelled),
    '-help',
  ])
  assert.deepEqual(completedByBash('relay -log-level d'), ['debug'])
  assert.deepEqual(completedByBash('relay -config completion.t'), ['completion.test.ts'])
  assert.deepEqual(completedByBash('relay log status -dir lo'), ['log'])
  assert.deepEqual(completedByBash('relay completion z'), ['zsh'])
  assert(completedByBash('relay ').includes('dead'))
})

test('every shell knows every command and its flags', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = scriptFor(shell)
    for (const name of COMMAND_NAMES) {
      for (const word of name.split(' ')) assert(script.includes(word), `${shell}: ${name}`)
    }
  }
})
