/** What looks for the leavings of a run finds them, each kind, and takes nothing of anybody else's for them. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { findLeftovers, openRunFolder, removeRun } from '../leftovers.ts'
import { identify, isAlive, until } from '../processes.ts'

const isRoot = process.geteuid?.() === 0
const nothing: readonly string[] = []

async function openFolder(t: TestContext): Promise<string> {
  const folder = await openRunFolder()
  t.after(() => removeRun(folder))
  return folder
}

test(
  'a file, a process that hides its name, and a mount of a run are found, and removed',
  { skip: !isRoot && 'needs root' },
  async (t) => {
    const folder = await openFolder(t)
    assert.deepEqual(await findLeftovers(folder, 0), nothing)
    writeFileSync(join(folder, 'forgotten'), '')
    mkdirSync(join(folder, 'mounted'))
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'none', join(folder, 'mounted')]).status, 0)
    const environment = { PATH: process.env['PATH'], TMPDIR: folder }
    const started = spawn('sleep', ['1000'], { cwd: '/', stdio: 'ignore', detached: true, env: environment })
    const id = await until('it runs', 5000, () => identify(started.pid ?? 0))
    await until('it is sleep', 5000, async () => (await findLeftovers(folder, 0)).some((each) => each.includes('(sleep 1000)')))
    assert.deepEqual(await findLeftovers(folder, 0), [
      `the file ${join(folder, 'forgotten')}`,
      `the file ${join(folder, 'mounted')}`,
      `the process ${id.pid} (sleep 1000)`,
      `the mount ${join(folder, 'mounted')}`,
    ])
    await removeRun(folder)
    assert.deepEqual([isAlive(id), existsSync(folder)], [false, false])
  },
)

test('the cgroups of a state that a run left are found by its identity', async (t) => {
  const mount = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => existsSync(join(path, 'cgroup.procs')))
  if (!isRoot || mount === undefined) return t.skip('needs root and cgroup v2')
  const folder = await openFolder(t)
  const stateId = `0${process.pid.toString(16).padStart(15, '0')}`
  const state = join(folder, 'home/.local/state/daruma/shop')
  const cgroup = join(mount, 'daruma', stateId)
  mkdirSync(state, { recursive: true })
  writeFileSync(join(state, 'identity.json'), JSON.stringify({ stateId }))
  mkdirSync(join(cgroup, 'web.0'), { recursive: true })
  assert.deepEqual(await findLeftovers(folder, 0), [`the file ${join(folder, 'home')}`, `the cgroup ${cgroup}`])
  await removeRun(folder)
  assert.ok(!existsSync(cgroup))
})

test('what another run has is neither found nor removed', async (t) => {
  const [ours, theirs] = [await openFolder(t), await openFolder(t)]
  writeFileSync(join(theirs, 'in use'), '')
  assert.deepEqual(await findLeftovers(ours, 0), nothing)
  await removeRun(ours)
  assert.deepEqual(readdirSync(theirs).toSorted(), ['in use', 'owner'])
})
