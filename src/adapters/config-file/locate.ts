/**
 * Finds the place of a path of keys (`services.web.replicas`) in the source, by walking the object literals of the default
 * export. Where a value is computed the walk ends early, and the answer is the expression that computes it; null when not even
 * that is known.
 */

import type { Expression, Function as FunctionNode, Program, Statement } from 'oxc-parser'
import { type Parsed, positionAt } from './parse.ts'

export type Located = { readonly line: number; readonly column: number } | null

/** `aim: 'key'` for problems with a key itself. A value that spans lines is pointed at by its key. */
export function locatePath(parsed: Parsed, path: readonly string[], aim: 'key' | 'value'): Located {
  const scope = namesIn(parsed.result.program.body)
  const root = defaultExport(parsed.result.program)
  if (root === null) return null
  let best: Step | null = null
  for (const candidate of configsOf(root, scope, 0)) {
    const step = walk(candidate, path)
    if (step !== null && (best === null || step.depth > best.depth)) best = step
  }
  if (best === null) return null
  const isWhole = best.depth === path.length
  const isBlock = best.value?.type === 'ObjectExpression' || best.value?.type === 'ArrayExpression'
  const offset = (isWhole && aim === 'key') || isBlock || best.value === null ? best.keyStart : best.value.start
  return positionAt(parsed.source, offset)
}

/** The place of the default export itself. */
export function locateDefault(parsed: Parsed): Located {
  const root = defaultExport(parsed.result.program)
  return root === null ? null : positionAt(parsed.source, root.start)
}

/** How far the walk came: the key that was found last, and its value. */
interface Step {
  readonly depth: number
  readonly keyStart: number
  readonly value: Expression | null
}

type Scope = ReadonlyMap<string, Expression>
interface Root {
  readonly expression: Expression
  readonly scope: Scope
}

/** Deep enough for any config a person writes, and an end for one that refers to itself. */
const deepest = 20

function defaultExport(program: Program): Expression | null {
  for (const statement of program.body) {
    if (statement.type === 'ExportDefaultDeclaration') return statement.declaration as Expression
    if (statement.type !== 'ExportNamedDeclaration') continue
    const named = statement.specifiers.find(({ exported }) => exported.type === 'Identifier' && exported.name === 'default')
    if (named !== undefined) return named.local
  }
  return null
}

/** `const` and function declarations of a block, by name. */
function namesIn(statements: readonly Statement[], outer: Scope = new Map()): Scope {
  const names = new Map(outer)
  for (const outerStatement of statements) {
    const statement = outerStatement.type === 'ExportNamedDeclaration' ? outerStatement.declaration : outerStatement
    if (statement?.type === 'FunctionDeclaration' && statement.id !== null) names.set(statement.id.name, statement)
    if (statement?.type !== 'VariableDeclaration') continue
    for (const { id, init } of statement.declarations) if (id.type === 'Identifier' && init !== null) names.set(id.name, init)
  }
  return names
}

/** The object literals that may become the config: through define(), functions, names, casts and both sides of a condition. */
function configsOf(expression: Expression, scope: Scope, depth: number): readonly Root[] {
  if (depth > deepest) return []
  switch (expression.type) {
    case 'ObjectExpression':
    case 'ArrayExpression':
      return [{ expression, scope }]
    case 'Identifier': {
      const known = scope.get(expression.name)
      return known === undefined ? [] : configsOf(known, scope, depth + 1)
    }
    case 'CallExpression': {
      const [argument] = expression.arguments
      const isDefine = expression.callee.type === 'Identifier' && !scope.has(expression.callee.name)
      if (isDefine)
        return argument === undefined || argument.type === 'SpreadElement' ? [] : configsOf(argument, scope, depth + 1)
      return configsOf(expression.callee, scope, depth + 1)
    }
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
      return returnsOf(expression, scope, depth)
    case 'ConditionalExpression':
      return [...configsOf(expression.consequent, scope, depth + 1), ...configsOf(expression.alternate, scope, depth + 1)]
    case 'LogicalExpression':
      return [...configsOf(expression.left, scope, depth + 1), ...configsOf(expression.right, scope, depth + 1)]
    case 'AwaitExpression':
      return configsOf(expression.argument, scope, depth + 1)
    case 'ParenthesizedExpression':
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'TSNonNullExpression':
      return configsOf(expression.expression, scope, depth + 1)
    default:
      // A function declaration is no expression, but `export default function` and names lead here.
      return (expression as { readonly type: string }).type === 'FunctionDeclaration'
        ? returnsOf(expression as unknown as FunctionNode, scope, depth)
        : []
  }
}

type AnyFunction = FunctionNode | Extract<Expression, { readonly type: 'ArrowFunctionExpression' }>

function returnsOf(node: AnyFunction, scope: Scope, depth: number): readonly Root[] {
  const { body } = node
  if (body === null) return []
  if (body.type !== 'BlockStatement') return configsOf(body, scope, depth + 1)
  const statements = body.body
  const inner = namesIn(statements, scope)
  return returnsIn(statements).flatMap((returned) => configsOf(returned, inner, depth + 1))
}

function returnsIn(statements: readonly Statement[]): readonly Expression[] {
  return statements.flatMap((statement): readonly Expression[] => {
    if (statement.type === 'ReturnStatement') return statement.argument === null ? [] : [statement.argument]
    if (statement.type === 'BlockStatement') return returnsIn(statement.body)
    if (statement.type !== 'IfStatement') return []
    return returnsIn(statement.alternate === null ? [statement.consequent] : [statement.consequent, statement.alternate])
  })
}

function walk(root: Root, path: readonly string[], depth = 0): Step | null {
  const key = path[depth]
  if (key === undefined || depth > deepest) return null
  const { expression, scope } = root
  const found = expression.type === 'ObjectExpression' ? propertyOf(expression, key, scope) : elementOf(expression, key)
  if (found === null) return null
  const here: Step = { depth: depth + 1, keyStart: found.keyStart, value: found.value }
  if (found.value === null) return here
  let best = here
  for (const next of configsOf(found.value, found.scope ?? scope, 0)) {
    const step = walk(next, path, depth + 1)
    if (step !== null && step.depth > best.depth) best = step
  }
  return best
}

interface Found {
  readonly keyStart: number
  readonly value: Expression | null
  readonly scope?: Scope
}

/** The last one wins, as in JavaScript; a spread is looked into. */
function propertyOf(object: Extract<Expression, { readonly type: 'ObjectExpression' }>, key: string, scope: Scope): Found | null {
  for (const property of object.properties.toReversed()) {
    if (property.type === 'SpreadElement') {
      for (const spread of configsOf(property.argument, scope, 0)) {
        const found = spread.expression.type === 'ObjectExpression' ? propertyOf(spread.expression, key, spread.scope) : null
        if (found !== null) return { scope: spread.scope, ...found }
      }
      continue
    }
    const name = property.key
    const isHere =
      (name.type === 'Identifier' && !property.computed && name.name === key) ||
      (name.type === 'Literal' && String(name.value) === key)
    if (isHere) return { keyStart: name.start, value: property.kind === 'init' && !property.method ? property.value : null }
  }
  return null
}

function elementOf(expression: Expression, key: string): Found | null {
  if (expression.type !== 'ArrayExpression' || !/^\d+$/.test(key)) return null
  const before = expression.elements.slice(0, Number(key) + 1)
  const element = before[Number(key)]
  if (element === null || element === undefined || before.some((one) => one?.type === 'SpreadElement')) return null
  return { keyStart: element.start, value: element as Expression }
}
