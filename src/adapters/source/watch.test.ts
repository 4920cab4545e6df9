import assert from 'node:assert/strict'
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
