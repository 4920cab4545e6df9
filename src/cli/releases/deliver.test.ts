/** Files on their way to the daemon: the store is real, and what happens to the folder meanwhile happens between two of its answers. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

import { createReleases } from '../../adapters/releases/index.ts'
import { readSource } from '../../adapters/source/index.ts'
import type { Project } from '../../core/model/service.ts'
import type { Client } from '../daemon/client.ts'
import type { Context } from '../context.ts'
import { deliverReleases } from './deliver.ts'

/** Reads a folder with one file in it, then changes the file as soon as the daemon has said what it lacks. */
async function deliverWhile(t: TestContext, content: string, change: (file: string) => void): Promise<boolean> {
  const path = mkdtempSync(join(tmpdir(), 'daruma-deliver-'))
  const folder = mkdtempSync(join(path, 'source-'))
  const file = join(folder, 'app.js')
  writeFileSync(file, content)
  const answer = readSource({ folder, ignore: [], root: folder, except: [], cacheDirectory: null })
  assert.ok('release' in answer)
  const { release } = answer
  const releases = createReleases({ directory: join(path, 'releases'), lookUpUser: async () => null })
  t.after(async () => {
    await releases.close()
    rmSync(path, { recursive: true, force: true })
  })
  const client = {
    unknownReleases: (digests: readonly string[]) => releases.unknown(digests),
    beginRelease: async (text: string) => {
      const begun = await releases.begin(text)
      change(file)
      return begun
    },
    sendContents: (stream: AsyncIterable<Uint8Array>) => releases.receive(stream),
    sealRelease: (digest: string) => releases.seal(digest),
  } as unknown as Client
  const services = [{ runs: { kind: 'process', source: { digest: release.digest } } }]
  const context = { terminal: { note: () => undefined } } as unknown as Context
  try {
    await deliverReleases(context, client, { services } as unknown as Project, [release])
    return true
  } catch (error) {
    assert.match((error as { readonly code: string }).code, /^E_(SOURCE_CHANGING|RELEASE_CONTENT)$/)
    assert.deepEqual(await releases.unknown([release.digest]), [release.digest])
    return false
  }
}

test('a file that changes between its reading and its sending is refused, and the release is not there', async (t) => {
  assert.equal(await deliverWhile(t, 'serve(1)', () => undefined), true)
  const changes: Readonly<Record<string, (file: string) => void>> = {
    'another content of the same size': (file) => writeFileSync(file, 'serve(2)'),
    'a shorter one': (file) => writeFileSync(file, 'x'),
    'a longer one': (file) => writeFileSync(file, 'serve(1) // more'),
    'no file any more': (file) => rmSync(file),
  }
  for (const [what, change] of Object.entries(changes)) assert.equal(await deliverWhile(t, 'serve(1)', change), false, what)
  // What is large goes in pieces.
  const large = 'serve(1)'.repeat(100_000)
  for (const content of [large.replaceAll('1', '2'), large.slice(1)])
    assert.equal(await deliverWhile(t, large, (file) => writeFileSync(file, content)), false)
  assert.equal(await deliverWhile(t, large, () => undefined), true)
})
