/** What users install is what runs: no simulator, no build notes, and of the types those that a config is written with. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { root } from '../../scripts/tree.ts'

test('the package holds what runs and the types of a config, and nothing else', () => {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const { status, stdout, stderr } = spawnSync('npm', words, { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const [packed] = JSON.parse(stdout) as [{ readonly files: readonly { readonly path: string }[] }]
  const paths = packed.files.map(({ path }) => path)
  for (const path of [
    'bin/daruma',
    'bin/node',
    'dist/main/cli.js',
    'dist/sdk/index.js',
    'dist/sdk/index.d.ts',
    'dist/host/keeper.sh',
  ])
    assert.ok(paths.includes(path), `${path} is missing`)
  const unwanted = paths.filter(
    (path) =>
      /^dist\/sim\/|\.tsbuildinfo$|\.map$|\.test\.|^(?:src|test|bench|scripts|docs)\//.test(path) ||
      (path.endsWith('.d.ts') && !path.startsWith('dist/sdk/')),
  )
  assert.deepEqual(unwanted, [])
})
