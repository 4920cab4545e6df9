import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, type Manifest, parseManifest } from '../../core/release/manifest.ts'
import type { ReadRelease, SourceFault } from '../../ports/runtime/source.ts'
import { readSource, type ReadOptions } from './index.ts'

const hasGit = spawnSync('git', ['--version']).status === 0

interface Folder extends Disposable {
  readonly path: string
  write(files: Readonly<Record<string, string>>): void
}

function makeFolder(files: Readonly<Record<string, string>> = {}): Folder {
  const path = mkdtempSync(join(tmpdir(), 'daruma-source-'))
  const folder: Folder = {
    path,
    write(more) {
      for (const [name, content] of Object.entries(more)) {
        mkdirSync(join(path, name, '..'), { recursive: true })
        writeFileSync(join(path, name), content)
      }
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
  folder.write(files)
  return folder
}

function read(folder: string, more: Partial<ReadOptions> = {}): ReadRelease {
  const answer = readSource({ folder, ignore: [], root: folder, except: [], cacheDirectory: null, ...more })
  assert.ok('release' in answer, JSON.stringify(answer))
  return answer.release
}

function faultsOf(folder: string, more: Partial<ReadOptions> = {}): readonly SourceFault[] {
  const answer = readSource({ folder, ignore: [], root: folder, except: [], cacheDirectory: null, ...more })
  return 'faults' in answer ? answer.faults : []
}

function manifestOf({ text }: ReadRelease): Manifest {
  const parsed = parseManifest(text)
  assert.ok('manifest' in parsed)
  return parsed.manifest
}

const pathsOf = (release: ReadRelease): readonly string[] => manifestOf(release).entries.map(({ path }) => path)

describe('the same files give the same digest', () => {
  it('elsewhere, with other owners, times and modes, and without their git', () => {
    using one = makeFolder({ 'server.js': 'serve()', 'lib/a.js': 'a', 'bin/run': '#!/bin/sh\n', '.git/HEAD': 'main' })
    using two = makeFolder()
    chmodSync(join(one.path, 'bin/run'), 0o755)
    mkdirSync(join(one.path, 'empty'))
    symlinkSync('lib/a.js', join(one.path, 'link.js'))
    cpSync(one.path, two.path, { recursive: true, verbatimSymlinks: true })
    rmSync(join(two.path, '.git'), { recursive: true })
    chmodSync(join(two.path, 'bin/run'), 0o700)
    chmodSync(join(two.path, 'server.js'), 0o600)
    utimesSync(join(two.path, 'server.js'), 1, 1)
    if (process.geteuid?.() === 0) chownSync(join(two.path, 'server.js'), 1234, 1234)
    assert.equal(read(one.path).digest, read(two.path).digest)
    assert.deepEqual(pathsOf(read(one.path)), ['bin/run', 'empty', 'lib/a.js', 'link.js', 'server.js'])
  })

  it('and another one when a content, a name, a link or the right to execute changes', () => {
    using folder = makeFolder({ a: '1', b: '2' })
    symlinkSync('a', join(folder.path, 'link'))
    const digests = [read(folder.path).digest]
    const steps = [
      () => folder.write({ a: '2' }),
      () => renameSync(join(folder.path, 'b'), join(folder.path, 'c')),
      () => chmodSync(join(folder.path, 'a'), 0o755),
      () => (rmSync(join(folder.path, 'link')), symlinkSync('c', join(folder.path, 'link'))),
      () => mkdirSync(join(folder.path, 'empty')),
    ]
    for (const step of steps) {
      step()
      digests.push(read(folder.path).digest)
    }
    assert.equal(new Set(digests).size, steps.length + 1)
  })
})

describe('what is ignored', () => {
  it('is what git ignores, rule for rule', { skip: hasGit ? false : 'git is not installed' }, () => {
    using folder = makeFolder({
      '.gitignore': '*.log\n!keep.log\n/dist/\nnode_modules\n**/tmp/**\n# comment\n\\#odd\ndoc/*.txt\ntrail \n[abc].bin\n',
      'web/.gitignore': '!debug.log\n/local\nsub/deep/\n*.bin\n!a.bin\n',
      'a.log': '',
      'keep.log': '',
      'dist/x': '',
      'web/dist/x': '',
      'node_modules/m/i.js': '',
      'web/node_modules/m/i.js': '',
      'web/debug.log': '',
      'web/other.log': '',
      'web/local': '',
      'web/sub/local': '',
      'web/sub/deep/x': '',
      'web/sub/shallow/deep/x': '',
      'x/tmp/y/z': '',
      '#odd': '',
      'doc/a.txt': '',
      'doc/sub/a.txt': '',
      trail: '',
      'a.bin': '',
      'd.bin': '',
      'web/a.bin': '',
      'web/d.bin': '',
      'Ünïcode.log': '',
    })
    spawnSync('git', ['init', '-q'], { cwd: folder.path })
    const listed = spawnSync('git', ['ls-files', '-z', '--others', '--exclude-standard'], {
      cwd: folder.path,
      encoding: 'utf8',
      env: { ...process.env, HOME: folder.path, GIT_CONFIG_NOSYSTEM: '1', XDG_CONFIG_HOME: folder.path },
    })
    const wanted = listed.stdout
      .split('\0')
      .filter((name) => name !== '')
      .toSorted()
    assert.ok(wanted.length > 8, listed.stderr)
    assert.deepEqual(
      filesOf(manifestOf(read(folder.path))).map(({ path }) => path),
      wanted,
    )
  })

  it('is said by .darumaignore after .gitignore, by the config after both, and by the files above as far as the config is', () => {
    using folder = makeFolder({
      '.gitignore': 'dist\n*.md\n',
      'web/.darumaignore': '!dist\nsecret.env\n',
      'web/dist/app.js': '',
      'web/README.md': '',
      'web/LICENSE.md': '',
      'web/secret.env': '',
      'web/a.test.js': '',
      'web/a.js': '',
    })
    const web = join(folder.path, 'web')
    const paths = pathsOf(read(web, { root: folder.path, ignore: ['*.test.js', '!LICENSE.md'] }))
    assert.deepEqual(paths, ['.darumaignore', 'LICENSE.md', 'a.js', 'dist/app.js'])
    assert.ok(pathsOf(read(web)).includes('README.md'), 'files above the root of the rules do not count')
  })

  it('is not all of a folder that is ignored itself and named as the source', () => {
    using folder = makeFolder({
      '.gitignore': 'out\n*.map\n',
      'a [b]/out/app.js': '',
      'a [b]/out/app.js.map': '',
      'a [b]/out/out/x': '',
    })
    assert.deepEqual(pathsOf(read(join(folder.path, 'a [b]/out'), { root: folder.path })), ['app.js'])
  })

  it('leaves no trace of a folder in which everything is ignored, as a fresh clone has none', () => {
    using folder = makeFolder({ '.gitignore': '*.log\n', 'logs/a.log': '', a: '' })
    assert.deepEqual(pathsOf(read(folder.path)), ['.gitignore', 'a'])
  })

  it('is the config itself, and a state directory inside of the folder', () => {
    using folder = makeFolder({ 'daruma.config.ts': '', 'state/state.db': '', a: '' })
    const except = ['daruma.config.ts', 'state'].map((name) => join(folder.path, name))
    assert.deepEqual(pathsOf(read(folder.path, { except })), ['a'])
  })
})

describe('what cannot be part of a release is refused by name', () => {
  const cases: Readonly<Record<string, { readonly make: (path: string) => unknown; readonly says: RegExp }>> = {
    'a pipe': { make: (path) => spawnSync('mkfifo', [join(path, 'pipe')]), says: /^E_SOURCE_KIND pipe is a pipe/ },
    'a setuid file': { make: (path) => chmodSync(join(path, 'a'), 0o4755), says: /^E_SOURCE_KIND a has the setuid/ },
    'a link that leads out': {
      make: (path) => symlinkSync('../../etc', join(path, 'out')),
      says: /^E_SOURCE_LINK out is a link that leads out of the folder, or in a circle: ..\/..\/etc/,
    },
    'an absolute link': { make: (path) => symlinkSync(join(path, 'a'), join(path, 'abs')), says: /^E_SOURCE_LINK abs is a link/ },
    'a name that is not UTF-8': {
      make: (path) => writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0x66, 0xff])]), ''),
      says: /^E_SOURCE_NAME . has a file whose name is not UTF-8: "fÿ"/,
    },
  }
  for (const [what, { make, says }] of Object.entries(cases)) {
    it(what, () => {
      using folder = makeFolder({ a: '' })
      make(folder.path)
      const [fault] = faultsOf(folder.path)
      assert.match(`${fault?.code} ${fault?.message}`, says)
      assert.notEqual(fault?.allowed, null)
    })
  }

  it('a socket', async () => {
    using folder = makeFolder()
    const server = createServer().listen(join(folder.path, 'socket'))
    await once(server, 'listening')
    assert.deepEqual(
      faultsOf(folder.path).map(({ message }) => message),
      ['socket is a socket'],
    )
    await new Promise((resolve) => server.close(resolve))
  })

  it('a device', { skip: process.geteuid?.() === 0 ? false : 'only root makes devices' }, () => {
    using folder = makeFolder()
    spawnSync('mknod', [join(folder.path, 'null'), 'c', '1', '3'])
    assert.deepEqual(
      faultsOf(folder.path).map(({ message }) => message),
      ['null is a device'],
    )
  })

  it('all of it at once, and nothing of it where it is ignored', () => {
    using folder = makeFolder({ a: '' })
    for (const name of ['p1', 'p2']) spawnSync('mkfifo', [join(folder.path, name)])
    symlinkSync('/etc/passwd', join(folder.path, 'p3'))
    assert.equal(faultsOf(folder.path).length, 2)
    assert.deepEqual(pathsOf(read(folder.path, { ignore: ['p?'] })), ['a'])
  })

  it('a folder that is missing, or none', () => {
    using folder = makeFolder({ a: '' })
    for (const name of ['nowhere', 'a']) assert.equal(faultsOf(join(folder.path, name))[0]?.code, 'E_SOURCE_MISSING')
  })

  it('with more files than a release may have is refused at that number, by the folder with the most', () => {
    using folder = makeFolder({ a: '', 'lib/b': '', '.gitignore': 'ignored\n', 'empty/.gitignore': '' })
    const many = (below: string, count: number): void =>
      folder.write(Object.fromEntries(Array.from({ length: count }, (_, index) => [`${below}/${index % 5}/${index}`, ''])))
    many('ignored', 50)
    many('data/cache', 14)
    spawnSync('mkfifo', [join(folder.path, 'pipe')])
    const refused = (mostEntries: number): readonly SourceFault[] => faultsOf(folder.path, { mostEntries })
    assert.deepEqual(
      refused(20).map(({ message }) => message),
      ['pipe is a pipe'],
    )
    rmSync(join(folder.path, 'pipe'))
    many('data/cache', 400)
    const [fault, ...others] = refused(20)
    assert.match(
      `${fault?.code} ${fault?.message}`,
      /^E_SOURCE_TOO_LARGE the folder has more than 20 files, \d\d of them in data\/cache(\/\d)?$/,
    )
    assert.deepEqual(others, [])
    using flat = makeFolder({ a: '', b: '', 'c/d': '', 'e/f': '' })
    assert.deepEqual(
      faultsOf(flat.path, { mostEntries: 3 }).map(({ message }) => message),
      ['the folder has more than 3 files'],
    )
  })

  it('a file that never rests', async () => {
    using folder = makeFolder({ growing: '' })
    const file = join(folder.path, 'growing')
    truncateSync(file, 64 * 1024 * 1024)
    const writer = spawn('/bin/sh', ['-c', 'echo begun; while :; do echo x >>"$1"; done', 'sh', file])
    try {
      await once(writer.stdout, 'data')
      assert.deepEqual(
        faultsOf(folder.path).map(({ code }) => code),
        ['E_SOURCE_CHANGING'],
      )
    } finally {
      writer.kill('SIGKILL')
      await once(writer, 'close')
    }
  })
})

describe('done right', () => {
  it('names with line feeds and quotes, names that differ by case only, sparse files, empty folders', () => {
    using folder = makeFolder({ 'a\nb"c': '1', 'A\tb': '2', case: 'lower', CASE: 'upper', sparse: '' })
    truncateSync(join(folder.path, 'sparse'), 3 * 1024 * 1024)
    mkdirSync(join(folder.path, 'empty/in'), { recursive: true })
    const manifest = manifestOf(read(folder.path))
    assert.equal(manifest.entries.length, 6)
    const sparse = filesOf(manifest).find(({ path }) => path === 'sparse')
    assert.deepEqual(sparse, {
      kind: 'file',
      path: 'sparse',
      isExecutable: false,
      size: 3 * 1024 * 1024,
      sha256: 'bbd05cf6097ac9b1f89ea29d2542c1b7b67ee46848393895f5a9e43fa1f621e5',
    })
  })
})

describe('the cache', () => {
  it('spares what is unchanged the reading, and notices what is not', async () => {
    using folder = makeFolder({ a: 'one', b: 'two' })
    using cache = makeFolder()
    const options = { cacheDirectory: cache.path }
    const { digest } = read(folder.path, options)
    assert.deepEqual(cacheWords(cache.path).slice(1), [], 'what was written just now may be written again within one tick')
    // What matters is that the times are clearly past when the file is read; nothing else of the wait.
    await new Promise((resolve) => setTimeout(resolve, 3200))
    read(folder.path, options)
    const words = cacheWords(cache.path)
    assert.deepEqual(words.filter((_word, index) => index % 3 === 1).toSorted(), ['a', 'b'])
    // A lie in the cache is what tells that it is believed.
    writeCache(
      cache.path,
      words.map((word, index) => (words[index - 2] === 'a' ? 'f'.repeat(64) : word)),
    )
    assert.equal(filesOf(manifestOf(read(folder.path, options)))[0]?.sha256, 'f'.repeat(64))
    appendFileSync(join(folder.path, 'a'), '')
    utimesSync(join(folder.path, 'a'), 1, 1)
    assert.equal(read(folder.path, options).digest, digest, 'another change time is enough')
  })

  it('of a torn or foreign file is as good as none', () => {
    using folder = makeFolder({ a: 'one' })
    using cache = makeFolder()
    const { digest } = read(folder.path, { cacheDirectory: cache.path })
    const [name] = readdirSync(cache.path)
    for (const text of ['', '[', '{}', '["daruma source cache 1", 1, 2, 3]', '["other", "a", "b", "c"]']) {
      writeFileSync(join(cache.path, name!), text)
      assert.equal(read(folder.path, { cacheDirectory: cache.path }).digest, digest)
    }
  })
})

function cacheWords(directory: string): readonly string[] {
  const [name] = readdirSync(directory)
  return JSON.parse(readFileSync(join(directory, name!), 'utf8')) as readonly string[]
}

function writeCache(directory: string, words: readonly string[]): void {
  const [name] = readdirSync(directory)
  writeFileSync(join(directory, name!), JSON.stringify(words))
}
