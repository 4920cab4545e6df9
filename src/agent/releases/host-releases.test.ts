/** Trees on one host, with the real store of releases: made once, built once for each project, and made again where somebody removed them. */

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'

import { createReleases } from '../../adapters/releases/index.ts'
import { projectIdOf } from '../../core/model/project-id.ts'
import type { Service } from '../../core/model/service.ts'
import { makeManifest, renderManifest } from '../../core/release/manifest.ts'
import type { Builder } from './builder.ts'
import { HostReleases } from './host-releases.ts'

interface Bed {
  readonly digest: string
  /** By place, in order. */
  readonly builds: string[]
  readonly of: (project: string) => HostReleases
}

/** A release without files; what is built is one file, and a build that is named `fails` does. */
async function openBed(t: TestContext): Promise<Bed> {
  const path = mkdtempSync(join(tmpdir(), 'daruma-trees-'))
  const releases = createReleases({ directory: join(path, 'releases'), lookUpUser: async () => null })
  t.after(async () => {
    await releases.close()
    rmSync(path, { recursive: true, force: true })
  })
  const { digest } = await releases.begin(renderManifest(makeManifest([{ kind: 'folder', path: 'empty' }])))
  await releases.seal(digest)
  const builds: string[] = []
  const builder: Pick<Builder, 'build'> = {
    async build(_service, request, { command }) {
      builds.push(request.place ?? 'nobody')
      const root = await releases.prepareBuild(request, null)
      if (command[0] === 'fails') {
        await releases.dropBuild(request)
        throw new Error('it failed')
      }
      writeFileSync(join(root, 'made'), '')
      await releases.sealBuild(request)
    },
  }
  return {
    digest,
    builds,
    of: (project) =>
      new HostReleases({ releases, builder: builder as Builder, place: projectIdOf({ name: project, stage: null }) }),
  }
}

const serviceOf = (digest: string, command: string | null): Service =>
  ({
    name: 'web',
    runs: { kind: 'process', source: { path: '.', ignore: [], digest, build: command === null ? null : { command: [command] } } },
  }) as unknown as Service

const silent = (): void => undefined

describe('A release', () => {
  it('is built once for each project, and found again by that project alone', async (t) => {
    const { digest, builds, of } = await openBed(t)
    const [shop, blog] = [of('shop'), of('blog')]
    const services = [serviceOf(digest, 'make'), serviceOf(digest, 'make')]
    assert.equal(await shop.isPending(services), true)
    assert.equal(await shop.prepare(services, silent), null)
    assert.equal(await shop.prepare(services, silent), null)
    assert.deepEqual([await shop.isPending(services), await blog.isPending(services)], [false, true])
    assert.equal(await blog.prepare(services, silent), null)
    assert.deepEqual(builds, ['shop', 'blog'])
    const trees = await Promise.all([shop, blog].map(async (each) => (await each.treeFor(services[0]!)).tree?.path))
    assert.equal(new Set(trees).size, 2)
    for (const tree of trees) assert.ok(existsSync(join(tree!, 'made')))
  })

  it('that was removed is made anew from its files, but never runs without its build', async (t) => {
    const { digest, builds, of } = await openBed(t)
    const shop = of('shop')
    const [plain, built] = [serviceOf(digest, null), serviceOf(digest, 'make')]
    assert.equal(await shop.prepare([plain, built], silent), null)
    for (const service of [plain, built]) rmSync((await shop.treeFor(service)).tree!.path, { recursive: true })
    const { tree } = await shop.treeFor(plain)
    assert.deepEqual([tree?.isWritable, existsSync(join(tree!.path, 'empty'))], [false, true])
    await assert.rejects(shop.treeFor(built), { code: 'E_RELEASE_MISSING' })
    assert.deepEqual(builds, ['shop'], 'a start builds nothing')
  })

  it('whose build fails is named, and what comes after it is not begun', async (t) => {
    const { digest, builds, of } = await openBed(t)
    const failure = await of('shop').prepare([serviceOf(digest, 'fails'), serviceOf(digest, 'make')], silent)
    assert.equal(failure?.service, 'web')
    assert.match(String(failure.error), /it failed/)
    assert.deepEqual(builds, ['shop'])
  })
})
