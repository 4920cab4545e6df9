import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { removeTraces, statesBelow, readStateId } from '../../../test/clean-up.ts'
import { kill } from '../../../test/support/runtime-bed.ts'
import type { StateDirectory } from '../../ports/storage/state-directory.ts'
import { lockDirectory } from './flock.ts'
import { stateCgroups } from './cgroups.ts'
import { openStateDirectory } from './index.ts'
import { observePlace } from './place.ts'

/** Of the test that runs: ended before the clean-up, which would wait for their cgroups. */
const inhabitants: (() => Promise<void>)[] = []

function makeRoot(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'daruma-state-'))
  t.after(async () => {
    for (const end of inhabitants.splice(0)) await end()
    for (const state of statesBelow(root)) await removeTraces(readStateId(state) ?? 'none')
    rmSync(root, { recursive: true, force: true })
  })
  return root
}

const nobodys = async (): Promise<string | null> => null

/** As a daemon that ends again at once. */
async function open(path: string, takeOver: boolean = false): Promise<Pick<StateDirectory, 'stateId' | 'takeOver'>> {
  using directory = await openStateDirectory({ path, takeOver, askContainers: nobodys })
  return { stateId: directory.stateId, takeOver: directory.takeOver }
}

/** As a reboot does. */
const forgetOwner = (state: string): Promise<void> => removeTraces(readStateId(state) ?? 'none')

/** Another process that opens the directory and lives on. */
async function openElsewhere(
  t: TestContext,
  path: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly pid: number; readonly exit: Promise<unknown> }> {
  const program = `import { openStateDirectory } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    openStateDirectory({ path: ${JSON.stringify(path)}, takeOver: false, askContainers: async () => null }).then(
      ({ stateId }) => console.log(stateId), ({ code }) => console.log(code))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  t.after(() => kill(child.pid ?? 0))
  await once(child.stdout, 'data')
  return { pid: child.pid ?? 0, exit: once(child, 'exit') }
}

/** Somebody who lives in a slot as an instance does: in its cgroup, with the slot's directory open. */
async function inhabit(state: string, stateId: string, slot: string): Promise<void> {
  const directory = join(state, 'slots', slot)
  mkdirSync(directory, { recursive: true })
  const cgroup = join(stateCgroups(stateId)[0] ?? '', 'keepers', '7')
  mkdirSync(cgroup, { recursive: true })
  const script = 'exec 9<"$1"; flock -n 9; echo $$ >"$2/cgroup.procs"; echo in; read -r line'
  const child = spawn('/bin/sh', ['-c', script, 'sh', directory, cgroup], { stdio: ['pipe', 'pipe', 'inherit'] })
  inhabitants.push(async () => {
    const exit = once(child, 'exit')
    kill(child.pid ?? 0)
    await exit
    for (const path of [cgroup, join(cgroup, '..')]) rmdirSync(path)
  })
  await once(child.stdout, 'data')
}

const needsCgroups = {
  skip: process.geteuid?.() === 0 && stateCgroups('any').length > 0 ? false : 'needs root and cgroups',
}

test('while one process has the directory another is refused and told who has it; with the end of the first it is free', async (t) => {
  const path = join(makeRoot(t), 'state')
  const { pid, exit } = await openElsewhere(t, path)
  await assert.rejects(open(path), { code: 'E_DAEMON_RUNNING', message: new RegExp(`\\bpid ${pid}\\b`) })
  kill(pid)
  await exit
  assert.match((await open(path)).stateId, /^[0-9a-f]{16}$/)
})

test('a lock that is held survives whatever is done to the files inside', async (t) => {
  const path = join(makeRoot(t), 'state')
  await openElsewhere(t, path)
  // The lock on the state id would hold as well.
  await forgetOwner(path)
  for (const name of ['daemon.json', 'identity.json']) {
    writeFileSync(join(path, `${name}.new`), '{}')
    renameSync(join(path, `${name}.new`), join(path, name))
  }
  await assert.rejects(open(path), { code: 'E_DAEMON_RUNNING' })
})

for (const takeOver of [false, true]) {
  test(`a copy is refused and left as it is while the original is there${takeOver ? ', also with take-over' : ''}`, async (t) => {
    const root = makeRoot(t)
    const [original, copy] = [join(root, 'original'), join(root, 'copy')]
    await open(original)
    cpSync(original, copy, { recursive: true })
    const before = readFileSync(join(copy, 'identity.json'), 'utf8')
    // Also after a reboot, when no owner is known.
    await forgetOwner(original)
    await assert.rejects(open(copy, takeOver), { code: 'E_STATE_COPIED', message: new RegExp(original) })
    assert.equal(readFileSync(join(copy, 'identity.json'), 'utf8'), before)
  })
}

test('a copy whose original is gone is taken over only when that is asked, and that is remembered', async (t) => {
  const root = makeRoot(t)
  const [original, copy, second] = [join(root, 'original'), join(root, 'copy'), join(root, 'second')]
  const { stateId } = await open(original)
  for (const each of [copy, second]) cpSync(original, each, { recursive: true })
  await forgetOwner(original)
  rmSync(original, { recursive: true })
  await assert.rejects(open(copy), { code: 'E_STATE_COPIED' })
  const taken = await open(second, true)
  assert.equal(taken.stateId, stateId)
  assert.match(taken.takeOver ?? '', /^[0-9a-f]{16}$/)
  assert.deepEqual(await open(second), taken, 'a daemon that died before it had renewed the claims would not know of it')
})

test('a directory that was moved under a living daemon is still its own', async (t) => {
  const root = makeRoot(t)
  const [here, there] = [join(root, 'here'), join(root, 'there')]
  const { pid, exit } = await openElsewhere(t, here)
  renameSync(here, there)
  await assert.rejects(open(there), { code: 'E_DAEMON_RUNNING' })
  kill(pid)
  await exit
  assert.equal((await open(there)).takeOver, null)
})

/** A directory of which everything says that it is another one: what a clone of a disk is after the next boot. */
async function makeDouble(root: string): Promise<readonly [string, string]> {
  const [one, other] = [join(root, 'one'), join(root, 'other')]
  await open(one)
  mkdirSync(other)
  const words = JSON.parse(readFileSync(join(one, 'identity.json'), 'utf8')) as object
  writeFileSync(join(other, 'identity.json'), JSON.stringify({ ...words, ...observePlace(other) }))
  return [one, other]
}

test('two directories of one state id have one daemon, wherever their files are', async (t) => {
  const [one, other] = await makeDouble(makeRoot(t))
  const { pid } = await openElsewhere(t, one)
  await assert.rejects(open(other), { code: 'E_DAEMON_RUNNING', message: new RegExp(`${one}: pid ${pid}\\b`) })
})

for (const takeOver of [false, true]) {
  test(
    `of two directories of one state id the first has it for the whole boot${takeOver ? ', also with take-over' : ''}`,
    needsCgroups,
    async (t) => {
      const [one, other] = await makeDouble(makeRoot(t))
      await assert.rejects(open(other, takeOver), { code: 'E_STATE_COPIED', message: new RegExp(one) })
      await open(one)
    },
  )
}

test('the place of the records in /run leaves others through to their volumes, whatever the umask', needsCgroups, async (t) => {
  const path = join(makeRoot(t), 'state')
  const program = `process.umask(0o077)
    const { openStateDirectory } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))})
    await openStateDirectory({ path: ${JSON.stringify(path)}, takeOver: false, askContainers: async () => null })
    process.exit(0)`
  const script = 'mount -t tmpfs tmpfs /run && "$@" && stat --format %a /run/daruma'
  const words = ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh', process.execPath]
  const { stdout, stderr } = spawnSync('unshare', [...words, '--input-type=module-typescript', '-e', program], {
    encoding: 'utf8',
  })
  assert.equal(stdout, '755\n', stderr)
})

test('a removed /run leaves the lock on the cgroup', needsCgroups, async (t) => {
  const [one, other] = await makeDouble(makeRoot(t))
  await openElsewhere(t, one)
  const stateId = readStateId(one) ?? ''
  rmSync(join('/run/daruma/states', stateId), { recursive: true })
  await assert.rejects(open(other), { code: 'E_DAEMON_RUNNING' })
})

test('a removed cgroup directory leaves the lock in /run', needsCgroups, async (t) => {
  const [one, other] = await makeDouble(makeRoot(t))
  await openElsewhere(t, one)
  for (const cgroup of stateCgroups(readStateId(one) ?? '')) rmdirSync(cgroup)
  await assert.rejects(open(other), { code: 'E_DAEMON_RUNNING' })
})

test('a lock that cannot be had or refused is an error, and not a lock', (t) => {
  const path = makeRoot(t)
  // Through a descriptor that is only a place (open(2), O_PATH) nothing can be locked: EBADF stands for ENOLCK here.
  const descriptor = openSync(path, 0o10000000)
  t.after(() => closeSync(descriptor))
  assert.throws(() => lockDirectory(descriptor, path), { code: 'E_STATE_LOCK' })
})

test('an identity that cannot be read is an error, and not no identity', async (t) => {
  const path = join(makeRoot(t), 'state')
  await open(path)
  const identity = readFileSync(join(path, 'identity.json'), 'utf8')
  await removeTraces((JSON.parse(identity) as { stateId: string }).stateId)
  rmSync(join(path, 'identity.json'))
  // Reading a directory fails for every user: EISDIR stands for EIO here.
  mkdirSync(join(path, 'identity.json'))
  await assert.rejects(open(path), { code: 'E_STATE_READ' })
  rmdirSync(join(path, 'identity.json'))
})

test('a file that is not there is null, and one that cannot be read is an error', async (t) => {
  const path = join(makeRoot(t), 'state')
  using directory = await openStateDirectory({ path, takeOver: false, askContainers: nobodys })
  assert.equal(await directory.readFile('ticks.json'), null)
  mkdirSync(join(path, 'ticks.json'))
  await assert.rejects(directory.readFile('ticks.json'), { code: 'E_STATE_READ' })
})

test('a directory whose identity file is lost keeps its state id within the boot', needsCgroups, async (t) => {
  const path = join(makeRoot(t), 'state')
  const { stateId } = await open(path)
  for (const lose of [rmSync, (file: string) => writeFileSync(file, ''), (file: string) => writeFileSync(file, '{"format":1')]) {
    lose(join(path, 'identity.json'))
    const after = await open(path)
    assert.equal(after.stateId, stateId)
    assert.notEqual(after.takeOver, null, 'epochs may have been given out that nothing here remembers')
  }
})

test(
  'a directory that was removed and made anew has the state id of what still runs in it, however its path is spelled',
  needsCgroups,
  async (t) => {
    // A project below a folder that looks like a cgroup.
    const path = join(makeRoot(t), 'daruma', 'cafe', 'state')
    const { stateId } = await open(path)
    await inhabit(path, stateId, 'web.0')
    rmSync(path, { recursive: true })
    const record = join('/run/daruma/states', stateId)
    assert.equal((await open(path)).stateId, stateId)
    rmSync(path, { recursive: true })
    rmSync(record, { recursive: true })
    assert.equal((await open(path)).stateId, stateId, 'the kernel knows it without any record')
  },
)

test(
  'where a directory was moved away from under what runs, the new one at its place is refused and told where it is',
  needsCgroups,
  async (t) => {
    const root = makeRoot(t)
    const [here, there] = [join(root, 'here'), join(root, 'there')]
    const { stateId } = await open(here)
    await inhabit(here, stateId, 'web.0')
    renameSync(here, there)
    await assert.rejects(open(here), { code: 'E_STATE_MOVED', message: new RegExp(there) })
    assert.equal((await open(there)).stateId, stateId)
  },
)

test('the engine is asked only where nothing else knows, and without its answer there is no identity', async (t) => {
  const path = join(makeRoot(t), 'state')
  mkdirSync(join(path, 'slots', 'web.0'), { recursive: true })
  const silent = async (): Promise<string | null> => Promise.reject(new Error('it does not answer'))
  await assert.rejects(openStateDirectory({ path, takeOver: false, askContainers: silent }), { code: 'E_STATE_IDENTITY' })
  using known = await openStateDirectory({ path, takeOver: false, askContainers: async () => '0123456789abcdef' })
  assert.equal(known.stateId, '0123456789abcdef')
})
