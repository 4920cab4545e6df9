/** Daemon, supervisor and collector, killed for real. The daemon is a stand-in that holds the state's lock and calls `ensure`, as ours does. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { isRunning, kill, processesNaming, until } from '../../../test/support/runtime-bed.ts'
import { createCompanions, launchDaemon, type SupervisionOptions } from './index.ts'

/** Ends with the code written into `end`; says its pid in `daemon.pid`; refuses with 78 when another has the lock. */
const standIn = `
  import { spawnSync } from 'node:child_process'
  import { appendFileSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
  import { join } from 'node:path'
  import { createCompanions, readSupervisor } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
  const state = process.argv.at(-1)
  const lock = openSync(state, 'r')
  if (spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', lock] }).status !== 0) process.exit(78)
  appendFileSync(join(state, 'starts'), process.pid + ' ' + readSupervisor(state) + '\\n')
  writeFileSync(join(state, 'daemon.pid'), String(process.pid))
  const companions = createCompanions({ state, node: process.execPath, entry: process.argv[1] })
  const end = join(state, 'end')
  let looks = 0
  writeFileSync(join(state, 'looks'), '0')
  setInterval(async () => {
    if (existsSync(join(state, 'pause'))) return writeFileSync(join(state, 'paused'), '')
    writeFileSync(join(state, 'looks'), String((looks += 1)))
    if (existsSync(end)) {
      const code = Number(readFileSync(end, 'utf8'))
      rmSync(end)
      if (code === 0) await companions.stop()
      process.exit(code)
    }
    for (const name of await companions.ensure()) appendFileSync(join(state, 'restarted'), name + '\\n')
  }, 50)
`

interface Bed extends SupervisionOptions {
  pid(role: Role): number
}

type Role = 'daemon' | 'supervisor' | 'collector'
const roles: readonly Role[] = ['daemon', 'supervisor', 'collector']

async function openBed(t: TestContext): Promise<Bed> {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(async () => {
    await until(() => {
      const left = processesNaming(state)
      for (const pid of left) kill(pid)
      return left.length === 0
    }, 'all ended')
    rmSync(state, { recursive: true, force: true })
  })
  const entry = join(state, 'stand-in.ts')
  writeFileSync(entry, standIn)
  const pid = (role: Role): number => {
    const path = role === 'daemon' ? join(state, 'daemon.pid') : join(state, 'host', `${role}.pid`)
    return existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) || 0 : 0
  }
  return { state, node: process.execPath, entry, pid }
}

async function launch(t: TestContext): Promise<Bed> {
  const bed = await openBed(t)
  await launchDaemon(bed)
  await until(() => roles.every((role) => isAliveProcess(bed.pid(role))), 'all three live')
  return bed
}

const isAliveProcess = (pid: number): boolean => pid > 0 && isRunning(pid)
const startsOf = (bed: Bed): string[] => readFileSync(join(bed.state, 'starts'), 'utf8').trimEnd().split('\n')

for (const victims of [
  ['daemon'],
  ['supervisor'],
  ['collector'],
  ['daemon', 'supervisor'],
  ['daemon', 'collector'],
  ['supervisor', 'collector'],
] as const) {
  test(`${victims.join(' and ')} killed at once: all three are there again, one of each`, async (t) => {
    const bed = await launch(t)
    const before = new Map(roles.map((role) => [role, bed.pid(role)]))
    for (const role of victims) kill(before.get(role) ?? 0)
    await until(
      () => victims.every((role) => bed.pid(role) !== before.get(role) && isAliveProcess(bed.pid(role))),
      'they are back',
      20_000,
    )
    for (const role of roles) {
      assert.equal(isAliveProcess(bed.pid(role)), true, role)
      if (!(victims as readonly Role[]).includes(role)) assert.equal(bed.pid(role), before.get(role), `${role} was not touched`)
    }
    assert.equal(startsOf(bed).length, (victims as readonly Role[]).includes('daemon') ? 2 : 1)
    assert.equal(
      startsOf(bed).every((line) => line.endsWith(' supervised')),
      true,
    )
  })
}

test('a supervisor that did not start the daemon gets it up all the same', async (t) => {
  const bed = await launch(t)
  const daemon = bed.pid('daemon')
  const supervisor = bed.pid('supervisor')
  kill(supervisor)
  await until(() => bed.pid('supervisor') !== supervisor && isAliveProcess(bed.pid('supervisor')), 'a new supervisor')
  const told = join(bed.state, 'restarted')
  await until(() => existsSync(told) && readFileSync(told, 'utf8').endsWith('\n'), 'the daemon says that it restarted it')
  assert.equal(readFileSync(told, 'utf8'), 'supervisor\n')
  assert.equal(bed.pid('daemon'), daemon)
  kill(daemon)
  await until(() => bed.pid('daemon') !== daemon && isAliveProcess(bed.pid('daemon')), 'a new daemon')
})

for (const code of [0, 78]) {
  test(`after the daemon ended with ${code} nobody starts another, and a new launch does`, async (t) => {
    const bed = await launch(t)
    const before = new Map(roles.map((role) => [role, bed.pid(role)]))
    writeFileSync(join(bed.state, 'end'), `${code}`)
    await until(() => roles.every((role) => !isAliveProcess(before.get(role) ?? 0)), 'all ended', 20_000)
    // What the supervisor has begun in its last moment ends with it.
    await until(() => processesNaming(bed.state).length === 0, 'nothing of it is left', 20_000)
    assert.equal(startsOf(bed).length, 1)
    await launchDaemon(bed)
    await until(() => roles.every((role) => isAliveProcess(bed.pid(role))), 'all three live again')
    assert.equal(startsOf(bed).length, 2)
  })
}

test('a stop that is taken over by a foreign supervisor is a stop', async (t) => {
  const bed = await launch(t)
  const supervisor = bed.pid('supervisor')
  kill(supervisor)
  await until(() => bed.pid('supervisor') !== supervisor && isAliveProcess(bed.pid('supervisor')), 'a new supervisor')
  writeFileSync(join(bed.state, 'end'), '0')
  await until(() => processesNaming(bed.state).length === 0, 'all ended', 20_000)
  assert.equal(startsOf(bed).length, 1)
})

test('a launch in the moment in which a stopped daemon is ending gets a new one up', async (t) => {
  const bed = await launch(t)
  const daemon = bed.pid('daemon')
  writeFileSync(join(bed.state, 'end'), '0')
  await until(() => !isRunning(daemon), 'it ended')
  await launchDaemon(bed)
  await until(() => bed.pid('daemon') !== daemon && isAliveProcess(bed.pid('daemon')), 'a new daemon')
})

test('a daemon that crashes is started again, later each time', async (t) => {
  const bed = await launch(t)
  for (let crash = 1; crash <= 3; crash++) {
    writeFileSync(join(bed.state, 'end'), '1')
    await until(() => startsOf(bed).length === crash + 1, 'the next one started')
  }
  const log = readFileSync(join(bed.state, 'daemon.log'), 'utf8')
  assert.deepEqual(log.match(/starts in \d+ ms/g), ['starts in 100 ms', 'starts in 200 ms', 'starts in 400 ms'])
})

test('a launch beside a living daemon changes nothing', async (t) => {
  const bed = await launch(t)
  const before = roles.map((role) => bed.pid(role))
  await Promise.all([launchDaemon(bed), launchDaemon(bed)])
  assert.deepEqual(
    roles.map((role) => bed.pid(role)),
    before,
  )
  assert.equal(startsOf(bed).length, 1)
})

test('two launches at once start one of each', async (t) => {
  const bed = await openBed(t)
  await Promise.all([launchDaemon(bed), launchDaemon(bed), launchDaemon(bed)])
  await until(() => roles.every((role) => isAliveProcess(bed.pid(role))), 'all three live')
  const count = (program: RegExp): number =>
    processesNaming(bed.state).filter((pid) => program.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))).length
  await until(
    () => count(/^\/bin\/sh\0[^\0]*\/host\/supervisor-/) === 1 && count(/\/host\/log-collector\.ts\0/) === 1,
    'one of each',
  )
  assert.equal(startsOf(bed).length, 1)
})

test('a daemon run by hand gets no supervisor, neither from itself nor from the collector', async (t) => {
  const bed = await openBed(t)
  const child = spawn(process.execPath, [bed.entry, 'daemon', 'run', '--state', bed.state], { stdio: 'ignore' })
  await until(() => isAliveProcess(bed.pid('collector')), 'a collector')
  assert.equal(readFileSync(join(bed.state, 'host', 'supervised-by'), 'utf8'), 'foreground\n')
  assert.equal(bed.pid('supervisor'), 0)
  kill(child.pid ?? 0)
  await until(() => !isRunning(child.pid ?? 0), 'it ended')
  await launchDaemon(bed)
  await until(() => isAliveProcess(bed.pid('supervisor')) && startsOf(bed).length === 2, 'supervised now')
})

test('what a caller had open is not kept open by what it launched', async (t) => {
  const bed = await openBed(t)
  const program = `import { launchDaemon } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    await launchDaemon(${JSON.stringify({ state: bed.state, node: bed.node, entry: bed.entry })})`
  const caller = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  })
  const closed = [caller.stdout, caller.stdio[3]].map((pipe) => {
    let isClosed = false
    pipe?.on('close', () => (isClosed = true))
    ;(pipe as NodeJS.ReadableStream).resume()
    return () => isClosed
  })
  await until(() => caller.exitCode !== null, 'the caller ended')
  await until(() => closed.every((isClosed) => isClosed()), 'its pipes are closed')
  await until(() => isAliveProcess(bed.pid('daemon')), 'the daemon lives')
})

test('companions that live are left alone, and looking costs little', async (t) => {
  const bed = await launch(t)
  process.env['DARUMA_SUPERVISED'] = 'yes'
  t.after(() => delete process.env['DARUMA_SUPERVISED'])
  const companions = createCompanions(bed)
  const before = process.cpuUsage()
  for (let round = 0; round < 100; round++) assert.deepEqual(await companions.ensure(), [])
  // Of the processor's time: a busy machine takes longer on the clock alone.
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1000 / 100 < 2, `${(user + system) / 1000} ms for 100 looks`)
})

for (const [what, act, replaced] of [
  ['stands still', (pid: number): void => kill(pid, 'SIGSTOP'), true],
  ['waits for nothing', (): void => {}, false],
] as const) {
  test(`a collector that ${what} is ${replaced ? 'replaced' : 'left alone'}`, async (t) => {
    const bed = await launch(t)
    const first = bed.pid('collector')
    act(first)
    if (replaced) await until(() => bed.pid('collector') !== first && !isRunning(first), 'another one')
    else {
      const looks = (): number => Number(readFileSync(join(bed.state, 'looks'), 'utf8') || 0)
      const seen = looks()
      await until(() => looks() > seen + 10, 'ten looks more')
      assert.equal(bed.pid('collector'), first)
    }
  })
}

test('a collector of another Daruma is replaced by the daemon that comes', async (t) => {
  const bed = await launch(t)
  const first = bed.pid('collector')
  const words = readFileSync(`/proc/${first}/cmdline`, 'utf8').split('\0').slice(0, -1)
  // The same program with another digest holds the lock in its place.
  writeFileSync(join(bed.state, 'pause'), '')
  await until(() => existsSync(join(bed.state, 'paused')), 'the daemon does not look')
  const [program = '', ...rest] = words
  let other = 0
  const hasTakenOver = async (): Promise<boolean> => {
    const one = bed.pid('collector')
    kill(one)
    await until(() => !isRunning(one), 'it ended')
    const { pid = 0 } = spawn(program, [...rest.slice(0, -1), '0123456789abcdef'], { stdio: 'ignore' })
    t.after(() => kill(pid))
    other = pid
    await until(() => isAliveProcess(bed.pid('collector')), 'there is one')
    return bed.pid('collector') === pid
  }
  // The daemon puts another in the place of one that it started and that has lived for a while; it may be quicker than we are.
  for (let tried = 0; !(await hasTakenOver()); tried += 1) assert.ok(tried < 5)
  rmSync(join(bed.state, 'pause'))
  await until(() => bed.pid('collector') !== other && isAliveProcess(bed.pid('collector')), 'ours is there')
})
