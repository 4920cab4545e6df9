import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { kill } from '../../../test/support/runtime-bed.ts'
import { openStateDirectory } from './index.ts'

function makeRoot(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'daruma-state-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  return root
}

const open = (path: string, takeOver: boolean = false): string => openStateDirectory({ path, takeOver }).stateId

/** Another process that opens the directory and lives on. */
async function openElsewhere(t: TestContext, path: string): Promise<{ readonly pid: number; readonly exit: Promise<unknown> }> {
  const program = `import { openStateDirectory } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    console.log(openStateDirectory({ path: ${JSON.stringify(path)}, takeOver: false }).stateId)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => kill(child.pid ?? 0))
  await once(child.stdout, 'data')
  return { pid: child.pid ?? 0, exit: once(child, 'exit') }
}

test('while one process has the directory another is refused and told who has it; with the end of the first it is free', async (t) => {
  const path = join(makeRoot(t), 'state')
  const { pid, exit } = await openElsewhere(t, path)
  assert.throws(() => open(path), { code: 'E_DAEMON_RUNNING', message: new RegExp(`\\bpid ${pid}\\b`) })
  kill(pid)
  await exit
  assert.match(open(path), /^[0-9a-f]{16}$/)
})

test('a lock that is held survives whatever is done to the files inside', async (t) => {
  const path = join(makeRoot(t), 'state')
  await openElsewhere(t, path)
  for (const name of ['daemon.json', 'identity.json']) {
    writeFileSync(join(path, `${name}.new`), '{}')
    renameSync(join(path, `${name}.new`), join(path, name))
  }
  assert.throws(() => open(path), { code: 'E_DAEMON_RUNNING' })
})

for (const takeOver of [false, true]) {
  test(`a copy is refused and left as it is while the original is there${takeOver ? ', also with take-over' : ''}`, (t) => {
    const root = makeRoot(t)
    const [original, copy] = [join(root, 'original'), join(root, 'copy')]
    open(original)
    cpSync(original, copy, { recursive: true })
    const before = readFileSync(join(copy, 'identity.json'), 'utf8')
    assert.throws(() => open(copy, takeOver), { code: 'E_STATE_COPIED', message: new RegExp(original) })
    assert.equal(readFileSync(join(copy, 'identity.json'), 'utf8'), before)
  })
}

test('a copy whose original is gone is taken over only when that is asked', (t) => {
  const root = makeRoot(t)
  const [original, copy, second] = [join(root, 'original'), join(root, 'copy'), join(root, 'second')]
  const stateId = open(original)
  for (const each of [copy, second]) cpSync(original, each, { recursive: true })
  rmSync(original, { recursive: true })
  assert.throws(() => open(copy), { code: 'E_STATE_COPIED' })
  assert.equal(open(second, true), stateId)
})

test('a directory that was moved under a living daemon is still its own', async (t) => {
  const root = makeRoot(t)
  const [here, there] = [join(root, 'here'), join(root, 'there')]
  const { pid, exit } = await openElsewhere(t, here)
  renameSync(here, there)
  assert.throws(() => open(there), { code: 'E_DAEMON_RUNNING' })
  kill(pid)
  await exit
  assert.match(open(there), /^[0-9a-f]{16}$/)
})

test('a directory made anew where instances still run takes the identity that their keepers name', (t) => {
  const path = join(makeRoot(t), 'state')
  const words = ['keeper', `${path}/slots/web.0`, '/sys/fs/cgroup/daruma/0123456789abcdef/web.0/1/cgroup.procs']
  const keeper = spawn('/bin/sh', ['-c', 'read -r line', ...words], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.after(() => kill(keeper.pid ?? 0))
  assert.equal(open(path), '0123456789abcdef')
})
