/** The rule about dead members finds what is dead, and nothing that is read in whatever way. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from './support/temporary-folder.ts'
import { unreadMembers } from './support/unread-members.ts'

/** Labels without the name of the one file that they are about. */
async function unreadIn(t: TestContext, source: string): Promise<string[]> {
  const root = await temporaryFolder(t)
  await mkdir(join(root, 'src'))
  const compilerOptions = { target: 'es2024', module: 'nodenext', types: [], strict: true }
  await writeFile(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  await writeFile(join(root, 'src/a.ts'), source)
  return unreadMembers(root).map((label) => label.replace('src/a.ts: ', ''))
}

test('a member that is never read is found, whatever else has its name', async (t) => {
  const unread = await unreadIn(
    t,
    `
    export class Store { snapshot() { return 1 } }
    export class Relay { snapshot() { return 2 } }
    export const shown = new Relay().snapshot()
    `,
  )
  assert.deepEqual(unread, ['Store.snapshot'])
})

test('what is only assigned or counted up is not read', async (t) => {
  const unread = await unreadIn(
    t,
    `
    export class Counts { a = 0; b = 0; c = 0; d = 0; e = 0; #f = 0
      add(): number {
        this.a++
        this.b += 2
        this.c = 3
        this.#f++
        if (this.d++ > 1) return 1
        return (this.e += 1)
      }
    }
    new Counts().add()
    `,
  )
  assert.deepEqual(unread, ['Counts.a', 'Counts.b', 'Counts.c'])
})

test('a member that is destructured, spread or passed on is read', async (t) => {
  const unread = await unreadIn(
    t,
    `
    class A { taken = 1; renamed = 2; left = 3 }
    const { taken, renamed: other } = new A()
    class B { first = 1; rest = 2 }
    const { first, ...rest } = new B()
    class C { all = 1 }
    const copy = { ...new C() }
    class D { get both() { return 1 } set both(value) {} }
    const read = new D().both
    class E { handler = () => {} }
    queueMicrotask(new E().handler)
    declare function queueMicrotask(run: () => void): void
    export const used = [taken, other, first, rest, copy, read]
    `,
  )
  assert.deepEqual(unread, ['A.left'])
})

test('a member is read through an interface that the class fits, named or not', async (t) => {
  const unread = await unreadIn(
    t,
    `
    interface Sink { write(text: string): void; readonly size: number }
    class Named implements Sink { write(text: string) {}; size = 1 }
    class Unnamed { write(text: string) {}; size = 1 }
    class NoSink { write(text: string) {} }
    class InPlace { flush() {} }
    const sinks: Sink[] = [new Named(), new Unnamed()]
    for (const sink of sinks) if (sink.size > 0) sink.write('')
    export function end(last: { flush(): void }) { last.flush() }
    end(new InPlace())
    export const none = new NoSink()
    `,
  )
  assert.deepEqual(unread, ['NoSink.write'])
})

test('what a class from outside asks for is read outside', async (t) => {
  const unread = await unreadIn(
    t,
    `
    export class Problem extends Error { override name = 'Problem'; more = 1 }
    `,
  )
  assert.deepEqual(unread, ['Problem.more'])
})
