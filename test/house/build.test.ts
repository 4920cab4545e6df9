/** The build, run on a small copy: what it makes, what it takes away, and that a second one does nothing. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLab, type Lab } from './lab.ts'

const settings = [
  'tsconfig.base.json',
  'src/tsconfig.json',
  'src/core/tsconfig.json',
  'scripts/build.ts',
  'scripts/build-dashboard.ts',
  'scripts/tree.ts',
]

const sources = {
  'package.json': '{ "type": "module" }',
  'src/core/plan/plan.ts': 'export const a: number = 1\n',
  'src/core/plan/plan.test.ts': 'export {}\n',
  'src/daemon/loop.ts': "import { a } from '../core/plan/plan.ts'\nexport const b: number = a\n",
  'src/host/keeper.sh': '#!/bin/sh\n',
}

function outputs(lab: Lab): readonly string[] {
  const entries = readdirSync(join(lab.folder, 'dist'), { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(lab.folder.length + 1))
  return files.filter((path) => !path.endsWith('.tsbuildinfo')).toSorted()
}

function build(lab: Lab, code = 0): void {
  const result = lab.run('scripts/build.ts', [])
  assert.equal(result.code, code, result.output)
}

const complete = [
  'dist/core/plan/plan.d.ts',
  'dist/core/plan/plan.js',
  'dist/daemon/loop.d.ts',
  'dist/daemon/loop.js',
  'dist/host/keeper.sh',
]

test('the build makes every output but those of tests, and a second one rewrites none', () => {
  using lab = openLab(settings)
  lab.write(sources)
  build(lab)
  assert.deepEqual(outputs(lab), complete)
  const times = complete.map((path) => statSync(join(lab.folder, path)).mtimeMs)
  build(lab)
  assert.deepEqual(
    complete.map((path) => statSync(join(lab.folder, path)).mtimeMs),
    times,
  )
})

test('an output whose source has gone is removed, and one that somebody deleted is made again', () => {
  using lab = openLab(settings)
  lab.write(sources)
  build(lab)
  rmSync(join(lab.folder, 'src/host'), { recursive: true })
  rmSync(join(lab.folder, 'dist/core/plan/plan.js'))
  lab.write({ 'dist/adapters/gone/index.js': 'export {}\n' })
  build(lab)
  assert.deepEqual(outputs(lab), complete.slice(0, 4))
})

test('a type error or a missing compiler fails the build, but never the one of npm prepare', () => {
  using lab = openLab(settings)
  lab.write({ ...sources, 'src/daemon/loop.ts': "export const b: number = 'one'\n" })
  build(lab, 2)
  assert.equal(lab.run('scripts/build.ts', ['--if-possible']).code, 0)
  rmSync(join(lab.folder, 'node_modules'))
  build(lab, 1)
  assert.equal(lab.run('scripts/build.ts', ['--if-possible']).code, 0)
})

test('a shell script that changed replaces its copy', () => {
  using lab = openLab(settings)
  lab.write(sources)
  build(lab)
  writeFileSync(join(lab.folder, 'src/host/keeper.sh'), '#!/bin/sh\n# longer\n')
  build(lab)
  assert.equal(statSync(join(lab.folder, 'dist/host/keeper.sh')).size, 19)
  assert.deepEqual(outputs(lab), complete)
})

test('the page is bundled without anything inlined, and made anew only when its sources have changed', () => {
  using lab = openLab(settings)
  const page = { 'src/dashboard/index.html': '<!doctype html><script type="module" src="./main.ts"></script>\n' }
  lab.write({ ...sources, ...page, 'src/dashboard/main.ts': "document.title = 'one'\n" })
  build(lab)
  const made = (): readonly string[] => outputs(lab).filter((path) => path.startsWith('dist/dashboard/assets/'))
  const [first] = made()
  const html = readFileSync(join(lab.folder, 'dist/dashboard/index.html'), 'utf8')
  assert.match(html, /<script type="module" crossorigin src="\.\/assets\/[^"]+\.js"><\/script>/)
  assert.doesNotMatch(html, /<script[^>]*>[^<]|<style/)
  const { mtimeMs } = statSync(join(lab.folder, first ?? ''))
  build(lab)
  assert.equal(statSync(join(lab.folder, first ?? '')).mtimeMs, mtimeMs)
  lab.write({ 'src/dashboard/main.ts': "document.title = 'two'\n" })
  build(lab)
  assert.equal(made().length, 1)
  assert.notEqual(made()[0], first)
  lab.write({ 'src/dashboard/main.ts': 'this is no script\n' })
  build(lab, 1)
})
