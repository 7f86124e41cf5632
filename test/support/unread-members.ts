/**
 * Finds public members of classes in src/ that nothing in src/ reads: dead code, or for tests only.
 *
 * Method: the compiler's own symbols, which distinguish two members of one name. A member is read
 * if an expression in src/ reads it, through its class or through an interface that the class
 * satisfies, declared or not; or if a type from outside src/ requires it, as a stream of Node
 * requires `_transform`. `x.count++` as a statement reads nothing.
 *
 * Limits: names made at run time are not found, nor members with a computed name
 * (`[Symbol.asyncDispose]`). TypeScript 7 calls this interface of its compiler unstable: a new
 * version may need changes here; package-lock.json pins the version.
 */

import { join, relative } from 'node:path'
import {
  type ClassLikeDeclaration,
  isBinaryExpression,
  isClassLikeDeclaration,
  isExpressionStatement,
  isIdentifier,
  isInterfaceDeclaration,
  isObjectBindingPattern,
  isPostfixUnaryExpression,
  isPrefixUnaryExpression,
  isPropertyAccessExpression,
  isSpreadAssignment,
  isTypeLiteralNode,
  type Node,
  type PropertyAccessExpression,
  SyntaxKind,
} from 'typescript/unstable/ast'
import {
  API,
  type Checker,
  type NodeHandle,
  type Project,
  type Symbol as Property,
  type Type,
} from 'typescript/unstable/sync'

interface Member {
  readonly name: string
  /** Keys of its declarations: see `keyOf`. */
  readonly keys: readonly string[]
  readonly owner: ClassLikeDeclaration
  /** `src/log/stream-log.ts: StreamLog.end` */
  readonly label: string
}

const ASSIGNMENTS = new Set([
  SyntaxKind.EqualsToken,
  SyntaxKind.PlusEqualsToken,
  SyntaxKind.MinusEqualsToken,
])

/**
 * @param root absolute path of a folder with tsconfig.json and src/
 * @returns the members as `src/log/stream-log.ts: StreamLog.end`, sorted
 */
export function unreadMembers(root: string): string[] {
  const api = new API({ cwd: root })
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] })
    const [project] = snapshot.getProjects()
    if (project === undefined) throw new Error(`no project in ${root}`)
    return unreadIn(project, root)
  } finally {
    api.close()
  }
}

function unreadIn({ program, checker }: Project, root: string): string[] {
  const members: Member[] = []
  const read = new ReadProperties()
  for (const name of program.getSourceFileNames()) {
    const file = name.startsWith(join(root, 'src/')) ? program.getSourceFile(name) : undefined
    if (file === undefined) continue
    const names: Node[] = []
    const wholes: Node[] = []
    visit(file, (node) => {
      if (isClassLikeDeclaration(node)) members.push(...membersOf(node, relative(root, name)))
      else if (isPropertyAccessExpression(node) && isRead(node)) names.push(node.name)
      else if (isObjectBindingPattern(node)) wholes.push(node)
      else if (isSpreadAssignment(node)) wholes.push(node.expression)
    })
    for (const property of checker.getSymbolAtLocation(names)) read.note(property)
    // One call for a whole file: each call is a round trip to the compiler's process.
    checker.getTypeAtLocation(wholes).forEach((type, index) => {
      const properties = type === undefined ? [] : checker.getPropertiesOfType(type)
      const taken = takenBy(wholes[index])
      for (const property of properties) if (taken?.has(property.name) ?? true) read.note(property)
    })
  }
  return members
    .filter(({ keys }) => !keys.some((key) => read.has(key)))
    .filter(({ name, owner }) => {
      return !read.named(name).some((seam) => fits(checker, owner, seam.resolve()?.parent))
    })
    .filter((member) => !isAskedForOutside(member, checker, root))
    .map(({ label }) => label)
    .sort()
}

/** The declarations of all properties that are read, of classes and of interfaces. */
class ReadProperties {
  readonly #keys = new Set<string>()
  readonly #byName = new Map<string, NodeHandle[]>()

  note(property: Property | undefined): void {
    for (const declaration of property?.declarations ?? []) {
      const key = `${declaration.path}:${declaration.index}`
      if (property === undefined || this.#keys.has(key)) continue
      this.#keys.add(key)
      this.#byName.set(property.name, [...this.named(property.name), declaration])
    }
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  named(name: string): readonly NodeHandle[] {
    return this.#byName.get(name) ?? []
  }
}

function visit(node: Node, found: (node: Node) => void): void {
  found(node)
  node.forEachChild((child) => visit(child, found))
}

/** A getter and its setter are one member. */
function membersOf(owner: ClassLikeDeclaration, path: string): Member[] {
  const keys = new Map<string, string[]>()
  for (const element of owner.members) {
    const { name } = element as { readonly name?: Node }
    if (name === undefined || !isIdentifier(name)) continue
    keys.set(name.text, [...(keys.get(name.text) ?? []), keyOf(element)])
  }
  const ownerName = owner.name?.text ?? 'class'
  return [...keys].map(([name, own]) => {
    return { name, keys: own, owner, label: `${path}: ${ownerName}.${name}` }
  })
}

function keyOf(node: Node): string {
  return `${node.getSourceFile().path}:${(node as Node & { readonly index: number }).index}`
}

/** An assignment, or an increment as a statement, does not read the member. */
function isRead(access: PropertyAccessExpression): boolean {
  const { parent } = access
  const isCounted = isPostfixUnaryExpression(parent) || isPrefixUnaryExpression(parent)
  if (isCounted && isExpressionStatement(parent.parent)) {
    return (
      parent.operator !== SyntaxKind.PlusPlusToken && parent.operator !== SyntaxKind.MinusMinusToken
    )
  }
  if (!isBinaryExpression(parent) || parent.left !== access) return true
  if (parent.operatorToken.kind === SyntaxKind.EqualsToken) return false
  return !(ASSIGNMENTS.has(parent.operatorToken.kind) && isExpressionStatement(parent.parent))
}

/**
 * The members that `const { name } = part` reads; `undefined`: all, as with `...part` and
 * `...rest`.
 */
function takenBy(whole: Node | undefined): ReadonlySet<string> | undefined {
  if (whole === undefined || !isObjectBindingPattern(whole)) return undefined
  const names = new Set<string>()
  for (const { name, propertyName = name, dotDotDotToken } of whole.elements) {
    if (dotDotDotToken !== undefined) return undefined
    if (propertyName !== undefined) names.add(propertyName.getText())
  }
  return names
}

/** Whether an object of the class satisfies the interface. */
function fits(checker: Checker, owner: ClassLikeDeclaration, seam: Node | undefined): boolean {
  if (seam === undefined) return false
  const asked = seamType(checker, seam)
  const type = owner.name && typeNamed(checker, owner.name)
  if (asked === undefined || type === undefined) return false
  return checker.isTypeAssignableTo(type, asked)
}

function seamType(checker: Checker, seam: Node): Type | undefined {
  if (isTypeLiteralNode(seam)) return checker.getTypeFromTypeNode(seam)
  return isInterfaceDeclaration(seam) ? typeNamed(checker, seam.name) : undefined
}

function typeNamed(checker: Checker, name: Node): Type | undefined {
  const symbol = checker.getSymbolAtLocation(name)
  return symbol && checker.getDeclaredTypeOfSymbol(symbol)
}

/** Whether a class or interface of Node or of a package has a member of this name. */
function isAskedForOutside({ name, owner }: Member, checker: Checker, root: string): boolean {
  const bases = owner.heritageClauses?.flatMap(({ types }) => [...types]) ?? []
  return bases.some((base) => {
    const type = checker.getTypeAtLocation(base)
    const property = type && checker.getPropertyOfType(type, name)
    return property?.declarations.some(({ path }) => !path.startsWith(join(root, 'src/')))
  })
}
