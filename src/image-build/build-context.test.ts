import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { digestBuildContext, listBuildContext } from './build-context.ts'

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-build-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text, { mode: 0o644 })
  }
  return directory
}

const pathsOf = async (context: string, dockerfile = 'Dockerfile'): Promise<readonly string[]> =>
  (await listBuildContext(context, dockerfile)).map(({ path }) => path)

const digestOf = async (context: string): Promise<string> =>
  digestBuildContext(context, await listBuildContext(context, 'Dockerfile'))

test('what .dockerignore names is left out, the Dockerfile never', async (t) => {
  const context = folder(t, {
    Dockerfile: 'FROM scratch',
    '.dockerignore': '*\n!src\nsrc/secret\n!.dockerignore',
    'src/a.js': 'a',
    'src/deep/b.js': 'b',
    'src/secret': 'x',
    'node_modules/x/index.js': 'x',
  })
  assert.deepEqual(await pathsOf(context), ['.dockerignore', 'Dockerfile', 'src', 'src/a.js', 'src/deep', 'src/deep/b.js'])
})

test('an ignored folder is looked into where something in it is rolled back by its name', async (t) => {
  const files = { Dockerfile: '', 'out/keep': '', 'out/drop': '' }
  const named = folder(t, { ...files, '.dockerignore': 'out\n!out/keep' })
  assert.deepEqual(await pathsOf(named), ['.dockerignore', 'Dockerfile', 'out/keep'])
  const unnamed = folder(t, { ...files, '.dockerignore': 'out\n!**/keep' })
  assert.deepEqual(await pathsOf(unnamed), ['.dockerignore', 'Dockerfile'])
})

test('a Dockerfile in a folder has a .dockerignore of its own, and is sent with its folder', async (t) => {
  const context = folder(t, {
    'docker/web': '',
    'docker/web.dockerignore': '*\n!a',
    '.dockerignore': 'a',
    'docker/other': '',
    a: '',
    b: '',
  })
  assert.deepEqual(await pathsOf(context, 'docker/web'), ['a', 'docker', 'docker/web'])
})

test('the digest tells names, contents, modes and links apart, and nothing else', async (t) => {
  const context = folder(t, { Dockerfile: 'FROM scratch', 'a/run.sh': 'echo', 'ab/c': '' })
  symlinkSync('a/run.sh', join(context, 'link'))
  const first = await digestOf(context)
  const seen = new Set([first])
  const copy = folder(t, {})
  cpSync(context, copy, { recursive: true, verbatimSymlinks: true })
  utimesSync(join(copy, 'a/run.sh'), 1, 1)
  assert.equal(await digestOf(copy), first, 'the same content elsewhere, at another time')
  const changes: readonly (() => void)[] = [
    () => writeFileSync(join(copy, 'a/run.sh'), 'ecHo'),
    () => chmodSync(join(copy, 'a/run.sh'), 0o755),
    () => writeFileSync(join(copy, 'empty'), ''),
    () => (rmSync(join(copy, 'link')), symlinkSync('a/nothing', join(copy, 'link'))),
    () => mkdirSync(join(copy, 'folder')),
    () => (rmSync(join(copy, 'ab/c')), writeFileSync(join(copy, 'ab/d'), '')),
  ]
  for (const change of changes) {
    change()
    seen.add(await digestOf(copy))
  }
  assert.equal(seen.size, changes.length + 1)
})

test('sockets are no part of a folder, large files are read in parts, a folder that is far too large is refused', async (t) => {
  const context = folder(t, { Dockerfile: '', large: '' })
  const server = createServer().listen(join(context, 'socket'))
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  truncateSync(join(context, 'large'), 3 * 1024 * 1024)
  assert.deepEqual(await pathsOf(context), ['Dockerfile', 'large'])
  const sparse = await digestOf(context)
  writeFileSync(join(context, 'large'), Buffer.alloc(3 * 1024 * 1024))
  assert.equal(await digestOf(context), sparse)
  truncateSync(join(context, 'large'), 21 * 1024 ** 3)
  await assert.rejects(digestOf(context), /has more than 20 GiB/)
})
