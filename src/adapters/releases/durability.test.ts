/** What is on the disk before it is called whole: the syncs are real, and beside each stands what could be seen under its name by then. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { makeManifest, renderManifest } from '../../core/release/manifest.ts'
import { createReleases } from './index.ts'

/** So many that one sync is cheaper than one for each, for the contents' folders too. */
const count = 120
const contents = Array.from({ length: count }, (_, index) => `content ${index}`)
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

test('contents have their names, and a tree its mark, only when the disk has them', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'daruma-durability-'))
  const directory = join(path, 'releases')
  const seen = join(path, 'seen')
  const programs = join(path, 'bin')
  mkdirSync(programs)
  const number = (below: string, what: string): string => `$(find ${directory}/${below} ${what} | wc -l)`
  const files = `-type f`
  writeFileSync(
    join(programs, 'sync'),
    `#!/bin/sh
echo "${['blobs', 'manifests', 'trees', 'sealed'].map((below) => number(below, files)).join(' ')}" >>${seen}
PATH=$REAL_PATH exec sync "$@"
`,
  )
  chmodSync(join(programs, 'sync'), 0o755)
  const before = process.env['PATH'] ?? ''
  Object.assign(process.env, { PATH: `${programs}:${before}`, REAL_PATH: before })
  const releases = createReleases({ directory, lookUpUser: async () => null })
  t.after(async () => {
    process.env['PATH'] = before
    delete process.env['REAL_PATH']
    await releases.close()
    rmSync(path, { recursive: true, force: true })
  })
  const entries = contents.map((text, index) => ({
    kind: 'file' as const,
    path: `f${index}`,
    isExecutable: false,
    size: text.length,
    sha256: sha(text),
  }))
  const { digest } = await releases.begin(renderManifest(makeManifest(entries)))
  await releases.receive(framesOf())
  await releases.seal(digest)
  await releases.makeTree({ digest, build: null })
  assert.deepEqual(readFileSync(seen, 'utf8').trim().split('\n'), ['0 0 0 0', `${count} 0 0 0`, `${count} 1 ${count} 0`])
  assert.equal(readdirSync(join(directory, 'sealed')).length, 1)
})

async function* framesOf(): AsyncGenerator<Uint8Array> {
  for (const text of contents) yield Buffer.from(`${sha(text)} ${text.length}\n${text}`)
}
