/** The library that `bin/node` brings along for hosts that lack it. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './daemon-harness.ts'

const library = join(root, 'bin/lib/x64/libatomic.so.1')
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const isX64 = process.arch === 'x64' && process.platform === 'linux'

test(
  'the library is what its source makes',
  { skip: isX64 && has('as') && has('objdump') ? false : 'needs binutils on x64' },
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'daruma-libatomic-'))
    try {
      const made = join(folder, 'made.so')
      assert.equal(spawnSync('sh', [join(root, 'bin/lib/make.sh'), made], { stdio: 'inherit' }).status, 0)
      // The linker's version decides about the rest of the file.
      const code = (file: string): string =>
        spawnSync('objdump', ['-d', '-j', '.text', file], { encoding: 'utf8' }).stdout.split('\n').slice(4).join('\n')
      assert.match(code(made), /lock cmpxchg/)
      assert.equal(code(library), code(made))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('Node asks nothing else of it than it has', { skip: isX64 && has('objdump') ? false : 'needs objdump on x64' }, () => {
  const { stdout } = spawnSync('objdump', ['-T', process.execPath], { encoding: 'utf8', maxBuffer: 512 * 2 ** 20 })
  const wanted = stdout
    .split('\n')
    .filter((line) => line.includes('(LIBATOMIC_'))
    .map((line) => line.trim().split(/\s+/).at(-1))
  assert.deepEqual(
    wanted.filter((name) => name !== '__atomic_compare_exchange'),
    [],
  )
})

test(
  'Node runs on it, with threads and what V8 keeps in tables that it changes by it',
  { skip: isX64 ? false : 'x64 only' },
  () => {
    const program = `
    const { Worker } = require('node:worker_threads')
    const work = "for (let i = 0; i < 2e4; i++) { eval('(function () { return ' + i + ' })()') }"
    let left = 4
    for (let i = 0; i < 4; i++) new Worker(work, { eval: true }).once('exit', (code) => {
      if (code !== 0) process.exitCode = 1
      if (--left === 0) console.log(require('fs').readFileSync('/proc/self/maps', 'utf8').match(/\\S*libatomic\\S*/)[0])
    })`
    const run = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: join(library, '..') },
    })
    assert.deepEqual(
      { status: run.status, stdout: run.stdout.trim(), stderr: run.stderr },
      { status: 0, stdout: library, stderr: '' },
    )
    assert.ok(readFileSync(library).length < 20_000)
  },
)
