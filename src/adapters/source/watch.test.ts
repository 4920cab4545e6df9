import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

import { hangLimit } from '../../../test/hang-limit.ts'
import type { SourceWatchOptions } from '../../ports/runtime/source.ts'
import { watchSources } from './watch.ts'

/** A folder, and what is told of it, by paths from it. */
class Bed implements Disposable {
  readonly folder: string = realpathSync(mkdtempSync(join(tmpdir(), 'daruma-watch-')))
  readonly told = new Set<string>()
  #watching: Disposable | null = null
  #wake: () => void = () => {}

  write(path: string, text: string = 'x'): void {
    const whole = join(this.folder, path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, text)
  }

  watch(options: Partial<Pick<SourceWatchOptions, 'folders' | 'files'>> = {}): void {
    this.#watching = watchSources({
      folders: [{ folder: this.folder, root: this.folder, ignore: [] }],
      files: [],
      except: [join(this.folder, 'state')],
      onLimit: () => assert.fail('too many folders'),
      ...options,
      onChange: (paths) => {
        for (const path of paths) this.told.add(path.slice(this.folder.length + 1))
        this.#wake()
      },
    })
  }

  /** Events come in order: what was done before was told before, or never. */
  async untilTold(path: string): Promise<readonly string[]> {
    const limit = setTimeout(() => this.#wake(), hangLimit(10_000))
    const deadline = performance.now() + hangLimit(10_000)
    while (!this.told.has(path) && performance.now() < deadline) await new Promise<void>((resolve) => (this.#wake = resolve))
    clearTimeout(limit)
    assert.ok(this.told.has(path), `${path} is told, after ${[...this.told].join(', ')}`)
    const all = [...this.told].toSorted()
    this.told.clear()
    return all
  }

  [Symbol.dispose](): void {
    this.#watching?.[Symbol.dispose]()
    rmSync(this.folder, { recursive: true })
  }
}

test('what the ignore rules leave out, and the state, are not told; what they let through again is', async () => {
  using bed = new Bed()
  bed.write('.gitignore', 'node_modules/\n*.log\n')
  bed.write('node_modules/a/index.js')
  bed.write('state/state.db')
  bed.write('web/index.js')
  bed.watch()
  bed.write('node_modules/a/index.js', 'y')
  bed.write('state/state.db', 'y')
  bed.write('web/error.log')
  bed.write('web/index.js', 'y')
  assert.deepEqual(await bed.untilTold('web/index.js'), ['web/index.js'])
  rmSync(join(bed.folder, 'node_modules'), { recursive: true })
  mkdirSync(join(bed.folder, 'node_modules'))
  bed.write('.gitignore', '')
  await bed.untilTold('.gitignore')
  bed.write('node_modules/b.js')
  await bed.untilTold('node_modules/b.js')
})

test('what is saved together with an ignore file is told, but for what it leaves out from then on', async () => {
  using bed = new Bed()
  for (const path of ['web/index.js', 'web/gen/a.js', 'dist/a.js', 'lib/a.js']) bed.write(path)
  bed.write('.gitignore', 'lib/\n')
  bed.watch()
  bed.write('.gitignore', 'dist/\n')
  bed.write('web/.gitignore', 'gen/\n')
  for (const path of ['dist/a.js', 'web/gen/a.js', 'web/index.js']) bed.write(path, 'y')
  assert.deepEqual(await bed.untilTold('web/index.js'), ['.gitignore', 'web/.gitignore', 'web/index.js'])
  for (const path of ['dist/a.js', 'web/gen/a.js', 'lib/a.js']) bed.write(path, 'z')
  assert.deepEqual(await bed.untilTold('lib/a.js'), ['lib/a.js'])
})

test('a folder that a file took the place of is told, and nothing falls by the events that are left of it', async () => {
  using bed = new Bed()
  bed.write('web/lib/index.js')
  bed.watch()
  rmSync(join(bed.folder, 'web'), { recursive: true })
  bed.write('web')
  bed.write('last.js')
  const told = await bed.untilTold('last.js')
  assert.ok(told.includes('web'), told.join())
})

test('a folder that comes later, or is removed and made anew, is seen into', async () => {
  using bed = new Bed()
  bed.watch()
  bed.write('lib/deep/a.js')
  await bed.untilTold('lib')
  bed.write('lib/deep/a.js', 'y')
  await bed.untilTold('lib/deep/a.js')
  rmSync(join(bed.folder, 'lib'), { recursive: true })
  bed.write('lib/deep/a.js')
  await bed.untilTold('lib')
  bed.told.clear()
  bed.write('lib/deep/a.js', 'z')
  await bed.untilTold('lib/deep/a.js')
})

test('a source that is ignored and built anew, or is not there yet, is watched as soon as it is there', async () => {
  using bed = new Bed()
  bed.write('.gitignore', 'dist/\n')
  bed.write('dist/server.js')
  const folder = join(bed.folder, 'dist')
  bed.watch({ folders: [folder, join(bed.folder, 'later/dist')].map((each) => ({ folder: each, root: bed.folder, ignore: [] })) })
  rmSync(folder, { recursive: true })
  await bed.untilTold('dist')
  bed.write('dist/server.js', 'y')
  await bed.untilTold('dist')
  bed.write('dist/server.js', 'z')
  await bed.untilTold('dist/server.js')
  bed.write('later/dist/server.js')
  await bed.untilTold('later/dist')
  bed.write('later/dist/server.js', 'y')
  await bed.untilTold('later/dist/server.js')
})

test('a file that is named counts though it is ignored, was not there, and is replaced by another', async () => {
  using bed = new Bed()
  bed.write('.gitignore', '.env*\n')
  bed.watch({ files: [join(bed.folder, '.env'), join(bed.folder, 'conf/.env')] })
  for (const text of ['A=1', 'A=2']) {
    bed.write('.env.new', text)
    renameSync(join(bed.folder, '.env.new'), join(bed.folder, '.env'))
    await bed.untilTold('.env')
  }
  bed.write('conf/.env')
  await bed.untilTold('conf/.env')
  bed.write('conf/.env', 'y')
  await bed.untilTold('conf/.env')
})

test(
  'a user who has no more watches is told which limit of the kernel that is',
  { skip: process.geteuid?.() !== 0 ? 'needs root' : false },
  () => {
    using bed = new Bed()
    for (const path of ['a/a.js', 'b/b.js', 'c/c.js']) bed.write(path)
    const folder = JSON.stringify(bed.folder)
    const program = `
      const { watchSources } = await import(${JSON.stringify(join(import.meta.dirname, 'watch.ts'))})
      const folders = [{ folder: ${folder}, root: ${folder}, ignore: [] }]
      const onLimit = (limit) => console.log(JSON.stringify(limit))
      watchSources({ folders, files: [], except: [], onChange: () => {}, onLimit })
      process.exit(0)`
    // The limits of a user namespace are its own (user_namespaces(7)).
    const script = 'echo 2 > /proc/sys/user/max_inotify_watches && exec "$@"'
    const words = ['--user', '--map-root-user', '/bin/sh', '-c', script, 'sh', process.execPath]
    const ran = spawnSync('unshare', [...words, '--input-type=module-typescript', '-e', program], { encoding: 'utf8' })
    assert.deepEqual(
      [ran.stdout, ran.stderr],
      [`${JSON.stringify({ kind: 'kernel', setting: 'fs.inotify.max_user_watches' })}\n`, ''],
    )
  },
)
