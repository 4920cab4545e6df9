/** Every error code of the source is explained in docs/errors.md, and nothing is explained there that cannot happen. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { filesBelow, root } from '../../scripts/tree.ts'

function codesIn(text: string): readonly string[] {
  return [...text.matchAll(/(?<!startsWith\(')\bE_[A-Z][A-Z0-9_]*/g)].map(([code]) => code)
}

function codesOfSource(): ReadonlySet<string> {
  const files = filesBelow('src', (name) => name.endsWith('.ts') && !/\.(?:test|contract)\.ts$/.test(name))
  assert.ok(files.length > 20, `only ${files.length} files were looked at`)
  return new Set(files.flatMap((path) => codesIn(readFileSync(join(root, path), 'utf8'))))
}

/** One row a code: `| E_CODE | when | what to do |`. */
function rows(): readonly (readonly string[])[] {
  const text = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  const lines = text.split('\n').filter((line) => line.startsWith('| `E_'))
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

test('the codes of the source and the codes of docs/errors.md are the same', () => {
  const explained = rows().map(([code = '']) => code.replaceAll('`', ''))
  assert.deepEqual(explained, [...codesOfSource()].toSorted())
})

test('every code says when it happens and what to do', () => {
  for (const cells of rows()) {
    assert.equal(cells.length, 3, cells.join(' | '))
    for (const cell of cells) assert.notEqual(cell, '', cells.join(' | '))
  }
})

test('codes are written in full, so that they can be searched for', () => {
  const cut = [...codesOfSource()].filter((code) => code.endsWith('_'))
  assert.deepEqual(cut, [])
})

test('a code is seen wherever it stands in a text', () => {
  assert.deepEqual(codesIn("throw new DarumaError('E_STORE_FULL', `x`) // or E_USAGE, not NAME_E_X or E_..."), [
    'E_STORE_FULL',
    'E_USAGE',
  ])
})
