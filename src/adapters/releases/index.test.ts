import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { makeManifest, type ManifestEntry, renderManifest } from '../../core/release/manifest.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import { createReleases } from './index.ts'

const sha = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex')

interface Bed {
  readonly path: string
  releases: Releases
  reopen(): Promise<void>
  deliver(files: Readonly<Record<string, string>>, more?: readonly ManifestEntry[]): Promise<string>
}

function openBed(t: TestContext): Bed {
  const path = mkdtempSync(join(tmpdir(), 'daruma-releases-'))
  const open = (): Releases =>
    createReleases({ directory: join(path, 'releases'), lookUpUser: async () => ({ uid: 65_534, gid: 65_534 }) })
  const bed: Bed = {
    path,
    releases: open(),
    async reopen() {
      await bed.releases.close()
      bed.releases = open()
    },
    async deliver(files, more = []) {
      const { digest, missing } = await bed.releases.begin(manifestOf(files, more))
      const contents = Object.values(files).filter((content) => missing.includes(sha(content)))
      await bed.releases.receive(framesOf(contents))
      await bed.releases.seal(digest)
      return digest
    },
  }
  t.after(async () => {
    await bed.releases.close()
    rmSync(path, { recursive: true, force: true })
  })
  return bed
}

function manifestOf(files: Readonly<Record<string, string>>, more: readonly ManifestEntry[] = []): string {
  const entries = Object.entries(files).map(([name, content]): ManifestEntry => ({
    kind: 'file',
    path: name,
    isExecutable: name.startsWith('bin/'),
    size: Buffer.byteLength(content),
    sha256: sha(content),
  }))
  return renderManifest(makeManifest([...entries, ...more]))
}

async function* framesOf(contents: readonly string[], partBytes: number = 7): AsyncGenerator<Uint8Array> {
  for (const content of new Set(contents)) {
    const bytes = Buffer.from(`${sha(content)} ${Buffer.byteLength(content)}\n${content}`)
    for (let at = 0; at < bytes.length; at += partBytes) yield bytes.subarray(at, at + partBytes)
  }
}

const files = { 'server.js': 'serve()', 'lib/a.js': 'a', 'bin/run': '#!/bin/sh\n', 'lib/copy.js': 'a', 'lib/empty': '' }

describe('a release', () => {
  it('becomes a tree with its files, links, empty folders and modes, which are only to be read', async (t) => {
    const bed = openBed(t)
    const digest = await bed.deliver(files, [
      { kind: 'link', path: 'link', target: 'lib/a.js' },
      { kind: 'folder', path: 'empty/in' },
    ])
    const request = { digest, build: null }
    assert.equal(await bed.releases.find(request), null)
    const root = await bed.releases.makeTree(request)
    assert.equal(await bed.releases.find(request), root)
    assert.equal(readFileSync(join(root, 'server.js'), 'utf8'), 'serve()')
    assert.equal(readlinkSync(join(root, 'link')), 'lib/a.js')
    assert.deepEqual(readdirSync(join(root, 'empty/in')), [])
    const mode = (path: string): string => (lstatSync(join(root, path)).mode & 0o7777).toString(8)
    assert.deepEqual(['.', 'lib', 'bin/run', 'server.js', 'lib/empty'].map(mode), ['555', '555', '555', '444', '444'])
    assert.equal(statSync(join(root, 'lib/a.js')).ino, statSync(join(root, 'lib/copy.js')).ino, 'stored once')
    assert.equal(await bed.releases.makeTree(request), root, 'a second time does nothing')
  })

  it('costs only what is new in it', async (t) => {
    const bed = openBed(t)
    await bed.deliver(files)
    const { missing } = await bed.releases.begin(manifestOf({ ...files, 'server.js': 'serve(2)' }))
    assert.deepEqual(missing, [sha('serve(2)')])
  })

  it('is not here before all of it has come, and is unknown until then', async (t) => {
    const bed = openBed(t)
    const { digest, missing } = await bed.releases.begin(manifestOf(files))
    assert.equal(missing.length, 4)
    await bed.releases.receive(framesOf(['serve()', 'a']))
    await assert.rejects(bed.releases.seal(digest), { code: 'E_RELEASE_INCOMPLETE' })
    await assert.rejects(bed.releases.makeTree({ digest, build: null }), { code: 'E_RELEASE_MISSING' })
    assert.deepEqual(await bed.releases.unknown([digest]), [digest])
    await bed.reopen()
    assert.equal((await bed.releases.begin(manifestOf(files))).missing.length, 2, 'what had come is still there')
    assert.notEqual(await bed.releases.manifest(digest), null)
  })

  it('with a content that is not what it is called is refused, and nothing of that content stays', async (t) => {
    const bed = openBed(t)
    const { digest } = await bed.releases.begin(manifestOf({ a: 'right', b: 'other' }))
    async function* lying(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${sha('other')} 5\nother`)
      yield Buffer.from(`${sha('right')} 5\nwrong`)
    }
    await assert.rejects(bed.releases.receive(lying()), { code: 'E_RELEASE_CONTENT' })
    assert.deepEqual((await bed.releases.begin(manifestOf({ a: 'right', b: 'other' }))).missing, [sha('right')])
    await assert.rejects(bed.releases.seal(digest), { code: 'E_RELEASE_INCOMPLETE' })
    assert.deepEqual(readdirSync(join(bed.path, 'releases/incoming')), [`${digest}.manifest`])
  })

  it('whose stream breaks off anywhere is no release, and goes on from what came', async (t) => {
    const bed = openBed(t)
    const whole = Buffer.from((await Array.fromAsync(framesOf(['one', 'two', 'three'], 1e6))).map(String).join(''))
    for (const cut of [0, 10, 64, 66, 67, 69, 75, whole.length - 1]) {
      async function* torn(): AsyncGenerator<Uint8Array> {
        yield whole.subarray(0, cut)
      }
      const receiving = bed.releases.receive(torn())
      if (cut === 0 || cut === 69 + 1) await receiving
      else await receiving.catch((error: { readonly code: string }) => assert.equal(error.code, 'E_RELEASE_CONTENT'))
    }
    await bed.deliver({ a: 'one', b: 'two', c: 'three' })
  })

  it('keeps the holes of a sparse file, also one at its end', async (t) => {
    const bed = openBed(t)
    const content = `x${'\0'.repeat(8 * 1024 * 1024)}`
    const { digest } = await bed.releases.begin(manifestOf({ sparse: content }))
    await bed.releases.receive(framesOf([content], 1024 * 1024))
    await bed.releases.seal(digest)
    const root = await bed.releases.makeTree({ digest, build: null })
    const { size, blocks } = statSync(join(root, 'sparse'))
    assert.equal(size, content.length)
    assert.ok(blocks * 512 < 1024 * 1024, `${blocks} blocks`)
    assert.equal(sha(readFileSync(join(root, 'sparse'))), sha(content))
  })

  it(
    'that meets a full disk on its way is refused, and comes whole when there is space again',
    { skip: process.geteuid?.() === 0 ? false : 'needs root' },
    async (t) => {
      const bed = openBed(t)
      const disk = join(bed.path, 'releases')
      mkdirSync(disk)
      assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=120m', 'daruma-test', disk]).status, 0)
      try {
        const content = 'not zero '.repeat(3_000_000)
        const { digest } = await bed.releases.begin(manifestOf({ small: 'small', large: content }))
        const filler = join(disk, 'filler')
        assert.equal(spawnSync('fallocate', ['-l', '110M', filler]).status, 0)
        await assert.rejects(bed.releases.receive(framesOf(['small', content], 1024 * 1024)), { code: 'E_RELEASE_NO_SPACE' })
        assert.deepEqual(readdirSync(join(disk, 'incoming')), [`${digest}.manifest`])
        rmSync(filler)
        assert.deepEqual((await bed.releases.begin(manifestOf({ small: 'small', large: content }))).missing, [sha(content)])
        await bed.releases.receive(framesOf([content], 1024 * 1024))
        await bed.releases.seal(digest)
      } finally {
        await bed.releases.close()
        spawnSync('umount', ['-l', disk])
      }
    },
  )

  it('whose tree was cut off while it was made has none, and then a whole one', async (t) => {
    const bed = openBed(t)
    const many = Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`d${index % 50}/f${index}`, `${index % 100}`]))
    const digest = await bed.deliver(many)
    const request = { digest, build: null }
    const root = join(bed.path, 'releases/trees', digest)
    const making = bed.releases.makeTree(request).catch(() => null)
    const deadline = performance.now() + 20_000
    while (!existsSync(join(root, 'd7')) && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve))
    // As a kill of the daemon would: the thread ends wherever it is.
    await bed.reopen()
    await making
    if ((await bed.releases.find(request)) === null) await bed.releases.manifest(digest)
    assert.equal(existsSync(root), (await bed.releases.find(request)) !== null, 'what was half made is gone')
    assert.equal(await bed.releases.makeTree(request), root)
    for (const [name, content] of Object.entries(many)) assert.equal(readFileSync(join(root, name), 'utf8'), content)
  })

  it('that would lead out of its tree is refused', async (t) => {
    const bed = openBed(t)
    const entry: ManifestEntry = { kind: 'folder', path: '../out' }
    await assert.rejects(bed.releases.begin(renderManifest({ entries: [entry] })), { code: 'E_RELEASE_MANIFEST' })
  })
})

describe('a build', () => {
  const request = (digest: string): { digest: string; build: string[] } => ({ digest, build: ['make'] })

  it('has a copy of its own to write in, and its result is a tree that shares what is the same', async (t) => {
    const bed = openBed(t)
    const digest = await bed.deliver(files)
    const plain = await bed.releases.makeTree({ digest, build: null })
    const root = await bed.releases.prepareBuild(request(digest), process.geteuid?.() === 0 ? 'nobody' : null)
    if (process.geteuid?.() === 0) assert.equal(statSync(join(root, 'server.js')).uid, 65_534)
    assert.notEqual(root, plain)
    assert.equal(await bed.releases.find(request(digest)), null, 'not before it is sealed')
    appendFileSync(join(root, 'server.js'), ' // built')
    writeFileSync(join(root, 'made'), 'made', { mode: 0o755 })
    symlinkSync('/usr/bin/env', join(root, 'outside'))
    await bed.releases.sealBuild(request(digest))
    assert.equal(await bed.releases.find(request(digest)), root)
    assert.equal(readFileSync(join(plain, 'server.js'), 'utf8'), 'serve()')
    assert.equal(readFileSync(join(root, 'server.js'), 'utf8'), 'serve() // built')
    assert.equal(readlinkSync(join(root, 'outside')), '/usr/bin/env')
    assert.equal(statSync(join(root, 'lib/a.js')).ino, statSync(join(plain, 'lib/a.js')).ino)
    assert.deepEqual(
      ['.', 'server.js', 'made', 'lib'].map((path) => (statSync(join(root, path)).mode & 0o7777).toString(8)),
      ['555', '444', '555', '555'],
    )
    assert.equal(statSync(join(root, 'made')).uid, process.geteuid?.())
  })

  it('that is under way is not collected, and one that failed leaves nothing', async (t) => {
    const bed = openBed(t)
    const digest = await bed.deliver(files)
    const root = await bed.releases.prepareBuild(request(digest), null)
    await bed.releases.collect([])
    assert.ok(existsSync(join(root, 'server.js')))
    await bed.releases.dropBuild(request(digest))
    assert.equal(existsSync(root), false)
  })

  it('that was cut off by the end of the daemon is removed by the next one; a whole one is not', async (t) => {
    const bed = openBed(t)
    const digest = await bed.deliver(files)
    const whole = await bed.releases.makeTree({ digest, build: null })
    const half = await bed.releases.prepareBuild(request(digest), null)
    await bed.reopen()
    await bed.releases.manifest(digest)
    assert.deepEqual([existsSync(whole), existsSync(half)], [true, false])
  })
})

describe('collection', () => {
  it('removes what nothing names, and nothing else', async (t) => {
    const bed = openBed(t)
    const old = await bed.deliver({ a: 'shared', b: 'old only' })
    const kept = await bed.deliver({ a: 'shared', b: 'new' })
    const [oldTree, keptTree] = [
      await bed.releases.makeTree({ digest: old, build: null }),
      await bed.releases.makeTree({ digest: kept, build: null }),
    ]
    assert.deepEqual(
      await bed.releases.collect([
        { digest: kept, build: null },
        { digest: old, build: null },
      ]),
      { trees: 0, contents: 0 },
    )
    const incoming = join(bed.path, 'releases/incoming')
    assert.deepEqual(
      await bed.releases.collect([{ digest: kept, build: null }]),
      { trees: 1, contents: 0 },
      'begun within the hour',
    )
    assert.deepEqual(await bed.releases.unknown([old]), [], 'no revision names it yet, and one may soon')
    for (const name of readdirSync(incoming)) utimesSync(join(incoming, name), 1, 1)
    assert.deepEqual(await bed.releases.collect([{ digest: kept, build: null }]), { trees: 0, contents: 1 })
    assert.deepEqual([existsSync(oldTree), existsSync(keptTree)], [false, true])
    assert.deepEqual(await bed.releases.unknown([old, kept]), [old])
    assert.equal(readFileSync(join(keptTree, 'a'), 'utf8'), 'shared')
  })

  it('never takes a content that a tree has, even where no manifest names it any more', async (t) => {
    const bed = openBed(t)
    const digest = await bed.deliver({ a: 'one' })
    const root = await bed.releases.prepareBuild({ digest, build: ['x'] }, null)
    writeFileSync(join(root, 'made'), 'by the build')
    await bed.releases.sealBuild({ digest, build: ['x'] })
    assert.deepEqual(await bed.releases.collect([{ digest, build: ['x'] }]), { trees: 0, contents: 0 })
    assert.equal(readFileSync(join(root, 'made'), 'utf8'), 'by the build')
  })

  it('brings anew what was harmed on the disk', async (t) => {
    const bed = openBed(t)
    await bed.deliver({ a: 'whole' })
    const digest = sha('whole')
    truncateSync(join(bed.path, 'releases/blobs', digest.slice(0, 2), digest.slice(2)), 1)
    assert.deepEqual((await bed.releases.begin(manifestOf({ a: 'whole' }))).missing, [digest])
  })
})
