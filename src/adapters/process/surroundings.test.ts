/** Limits, users, volumes, exec, full disks: what surrounds a command, against the real kernel. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { hangLimit } from '../../../test/hang-limit.ts'
import { cgroupsOf } from '../../../test/clean-up.ts'
import { asServiceName, slotId } from '../../core/model/id.ts'
import { RuntimeBed, hostScripts, instance, isRunning, needsRoot, until } from '../../../test/support/runtime-bed.ts'
import { environmentWhen } from '../../../test/processes.ts'

const noLimits = { cpuCores: null, memoryBytes: null, pids: null }
const ownOomScore = '/proc/self/oom_score_adj'
const hungry = 'a=x; while :; do a=$a$a; done'

test('an instance above its memory limit is told as out of memory', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  if (!bed.runtime.guarantees().limits.includes('memory')) return t.skip('no memory controller')
  const limits = { ...noLimits, memoryBytes: 32 * 2 ** 20 }
  await bed.run(1, ['/bin/sh', '-c', hungry], { limits })
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'oom' })
  await bed.run(2, ['/bin/sh', '-c', `(${hungry}); exit 4`], { limits })
  assert.deepEqual(
    (await bed.event('gone', 2)).exit,
    { kind: 'code', code: 4 },
    'a child that is killed is the command’s own matter',
  )
  assert.deepEqual(bed.processes(), [])
})

test(
  'the command is inside its limits before it runs, and the number of processes is its own',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const limits = { cpuCores: 0.5, memoryBytes: 64 * 2 ** 20, pids: 3 }
    const script = 'cat /proc/self/cgroup; sleep 1000 & sleep 1000 & sleep 1000 & echo never'
    await bed.run(1, ['/bin/sh', '-c', script], { limits })
    await bed.event('gone', 1)
    const log = bed.logText()
    assert.match(log, /[Cc]annot fork/)
    assert.doesNotMatch(log, /never/)
    for (const controller of bed.runtime.guarantees().limits) {
      assert.match(
        log,
        new RegExp(
          `^\\d+:[^:]*\\b${controller}\\b[^:]*:/daruma/${bed.stateId}/keepers/\\d+$|^0::/daruma/${bed.stateId}/keepers/\\d+$`,
          'm',
        ),
      )
    }
  },
)

for (const user of [null, 'nobody']) {
  const skip = user === null ? false : needsRoot
  const more = user === null ? '' : `, and ${user} can raise none of them`
  test(`a command has the limits that the config says${more}`, { skip }, async (t) => {
    const bed = await RuntimeBed.open(t)
    const ulimits = { nofile: { soft: 100, hard: 200 }, core: { soft: 0, hard: 0 }, fsize: { soft: 4096, hard: -1 } }
    const raise = user === null ? '' : '; ulimit -n 201 2>/dev/null || echo no'
    const script = `ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -Sf; ulimit -Hf${raise}`
    await bed.run(1, ['/bin/sh', '-c', script], { ulimits, user })
    await bed.event('gone', 1)
    assert.deepEqual(bed.logText().trim().split('\n'), ['100', '200', '0', '8', 'unlimited', ...(user === null ? [] : ['no'])])
  })
}

test('a command does not inherit how the daemon stands with the OOM killer', { skip: !existsSync(ownOomScore) }, async (t) => {
  const before = readFileSync(ownOomScore, 'utf8')
  t.after(() => writeFileSync(ownOomScore, before))
  // The unit's own value is below zero, which few test machines allow; upwards it goes everywhere.
  writeFileSync(ownOomScore, '300')
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/cat', ownOomScore])
  await bed.event('gone', 1)
  assert.equal(bed.logText(), '0\n')
})

for (const locale of [{}, { LC_ALL: '' }, { LC_ALL: 'C.UTF-8' }]) {
  test(`a command finds ${JSON.stringify(locale)} as it was ordered, and so does whoever is sent after it`, async (t) => {
    const bed = await RuntimeBed.open(t)
    const environment = { PATH: '/usr/bin:/bin', ...locale }
    await bed.run(1, ['sleep', '1000'], { environment })
    const { pid } = await bed.event('started', 1)
    // The pid is told a moment before the command takes its keeper's place.
    const found = Object.entries(await environmentWhen(pid, 'sleep')).filter(([name]) => name.startsWith('LC_ALL'))
    assert.deepEqual(Object.fromEntries(found), locale)
    const plan = await bed.runtime.exec(instance(1), ['true'])
    assert.equal(plan.environment['LC_ALL'], environment.LC_ALL)
  })
}

test('half a core is half a core', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  await bed.run(1, ['/bin/sh', '-c', 'while :; do :; done'], { limits: { ...noLimits, cpuCores: 0.2 } })
  const cpu = (): number => bed.runtime.usage(instance(1))?.cpuSeconds ?? 0
  await until(() => cpu() > 0.02, 'it runs')
  const [before, began] = [cpu(), performance.now()]
  await until(() => performance.now() - began > 1000, 'a second passed')
  const share = (cpu() - before) / ((performance.now() - began) / 1000)
  assert.ok(share < 0.3, `used ${share} cores`)
})

test(
  'a command runs as its user, with that user’s groups, and its loader variables never reach root’s programs',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const environment = { PATH: process.env['PATH'] ?? '', LD_PRELOAD: '/no/such/library.so' }
    await bed.run(1, ['/bin/sh', '-c', 'id -un; id -gn; echo "$LD_PRELOAD"'], { user: 'nobody', environment })
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 })
    const lines = bed.logText().split('\n')
    const isComplaint = (line: string): boolean => line.includes('cannot be preloaded')
    assert.deepEqual(
      lines.filter((line) => !isComplaint(line)),
      ['nobody', 'nogroup', '/no/such/library.so', ''],
    )
    // The shell and its two children; nobody before them, whose complaint would stand here as well.
    assert.equal(lines.filter(isComplaint).length, 3)
  },
)

test('volumes are mounted where asked, outlive the instance, and are seen nowhere else', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const target = join(bed.state, 'in side', 'data')
  const volumes = [
    { name: 'cache', target },
    { name: 'own', target: null },
  ]
  const environment = { PATH: process.env['PATH'] ?? '', DARUMA_VOLUME_OWN: bed.path('volumes', 'own') }
  await bed.run(1, ['/bin/sh', '-c', `echo one >"${target}/file"; echo two >"$DARUMA_VOLUME_OWN/file"`], { volumes, environment })
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 }, bed.logText())
  assert.equal(readFileSync(bed.path('volumes', 'cache', 'file'), 'utf8'), 'one\n')
  assert.equal(readFileSync(bed.path('volumes', 'own', 'file'), 'utf8'), 'two\n')
  assert.deepEqual(readdirSync(target), [])
  await bed.run(2, ['cat', join(target, 'file')], { volumes })
  await bed.event('gone', 2)
  assert.equal(bed.logText(), 'one\n')
})

test('another user can use a volume although the state directory is closed to him', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  assert.equal(statSync(bed.state).mode & 0o77, 0)
  const environment = { PATH: process.env['PATH'] ?? '', DARUMA_VOLUME_DATA: bed.path('volumes', 'data') }
  const script = 'echo mine >"$DARUMA_VOLUME_DATA/file" && cat "$DARUMA_VOLUME_DATA/file"'
  await bed.run(1, ['/bin/sh', '-c', script], { volumes: [{ name: 'data', target: null }], environment, user: 'nobody' })
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 }, bed.logText())
  assert.equal(readFileSync(bed.path('volumes', 'data', 'file'), 'utf8'), 'mine\n')
})

test(
  'a daemon that ends leaves nothing in the kernel or in /run of what has ended, and all of what runs',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const open = join('/run/daruma', bed.stateId, 'data')
    const environment = { PATH: process.env['PATH'] ?? '', DARUMA_VOLUME_DATA: bed.path('volumes', 'data') }
    const more = { environment, user: 'nobody', volumes: [{ name: 'data', target: null }], limits: { ...noLimits, pids: 50 } }
    const held = slotId(asServiceName('held'), 0)
    await bed.run(1, ['sleep', '1000'], more)
    await bed.run(1, ['sleep', '1000'], { ...more, slot: held })
    await bed.runtime.kill(instance(1), 10_000)
    await bed.event('gone', 1)

    await bed.reopen()
    const found = bed.discovery.occupants.map(({ slot, state }) => `${slot} is ${state}`)
    assert.deepEqual(new Set(found), new Set(['held/0 is running', 'web/0 is gone']))
    assert.ok(existsSync(open))
    const keepers = cgroupsOf(bed.stateId)
      .map((path) => join(path, 'keepers'))
      .filter(existsSync)
    const labels = keepers.flatMap((path) => directoriesIn(path).flatMap((number) => directoriesIn(join(path, number))))
    assert.deepEqual(labels, ['held.0.1'])

    await bed.runtime.kill(instance(1, held), 10_000)
    await bed.event('gone', 1, held)
    await bed.runtime[Symbol.asyncDispose]()
    assert.deepEqual(cgroupsOf(bed.stateId), [])
    assert.ok(!existsSync(join('/run/daruma', bed.stateId)))
  },
)

const directoriesIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))

for (const user of [null, 'nobody']) {
  const who = user === null ? 'not even by root' : 'and another user reads it although the state directory is closed to him'
  test(`a release cannot be written by what runs from it, ${who}`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t)
    const tree = bed.path('tree')
    mkdirSync(join(tree, 'in'), { recursive: true })
    writeFileSync(join(tree, 'in', 'file'), 'content\n', { mode: 0o666 })
    const script = 'pwd; cat file; echo x >file; echo x >new; cd ..; echo x >new; ls'
    await bed.run(1, ['/bin/sh', '-c', script], { tree: { path: tree, isWritable: false }, directory: 'in', user })
    await bed.event('gone', 1)
    const lines = bed.logText().split('\n')
    assert.deepEqual(lines.slice(0, 2), [`/run/daruma/${bed.stateId}/@release/in`, 'content'])
    assert.equal(lines.filter((line) => /Read-only file system/.test(line)).length, 3, bed.logText())
    assert.equal(readFileSync(join(tree, 'in', 'file'), 'utf8'), 'content\n')
  })
}

test('a build may write, at the path at which its release will be seen', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  const tree = bed.path('tree')
  mkdirSync(tree)
  await bed.run(1, ['/bin/sh', '-c', 'pwd >made'], { tree: { path: tree, isWritable: true }, directory: '' })
  await bed.event('gone', 1)
  assert.equal(readFileSync(join(tree, 'made'), 'utf8'), `/run/daruma/${bed.stateId}/@release\n`)
})

test('a volume that cannot be mounted ends the start, and says so', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t)
  writeFileSync(bed.path('file'), '')
  await bed.run(1, ['true'], { volumes: [{ name: 'data', target: bed.path('file') }] })
  assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 127 })
  assert.match(bed.logText(), /daruma: the volume .*data cannot be mounted on .*file/)
})

for (const noNamespaces of [false, true]) {
  test(
    `exec is inside the instance${noNamespaces ? ' (no namespaces)' : ''}: environment, directory, user, cgroup, and its end`,
    { skip: needsRoot },
    async (t) => {
      const force = { noNamespaces }
      const bed = await RuntimeBed.open(t, { force })
      const environment = { PATH: process.env['PATH'] ?? '', GREETING: "it's $me" }
      const limits = { ...noLimits, pids: 50 }
      const { pid } = await bed.run(1, ['sleep', '1000'], { environment, directory: '/tmp', user: 'nobody', limits })
      const plan = await bed.runtime.exec(instance(1), [
        '/bin/sh',
        '-c',
        'echo "$GREETING"; pwd; id -un; cat /proc/self/cgroup; ls /proc | grep -c "^[0-9]"',
      ])
      const [file = '', ...words] = plan.command
      const { stdout, stderr, status } = spawnSync(file, words, { env: plan.environment, encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      const lines = stdout.split('\n')
      assert.deepEqual(lines.slice(0, 3), ["it's $me", '/tmp', 'nobody'])
      assert.equal(lines.filter((line) => line.includes(`/daruma/${bed.stateId}/keepers/`)).length, 2)
      assert.equal(Number(lines.at(-2)) < 10, !noNamespaces)
      await bed.runtime.kill(instance(1), 5000)
      assert.equal(isRunning(pid), false)
      assert.equal(
        spawnSync(file, words, { env: plan.environment, encoding: 'utf8' }).stderr.includes('the instance is gone'),
        true,
      )
      await assert.rejects(bed.runtime.exec(instance(1), ['true']), { code: 'E_RUNTIME_NOT_RUNNING' })
    },
  )
}

test(
  'exec is given the whole environment from the first moment on, and by a daemon that adopted the instance',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const environment = { PATH: process.env['PATH'] ?? '', GREETING: 'hello', LD_BIND_NOW: '1' }
    const run = async (epoch: number): Promise<string> => {
      const plan = await bed.runtime.exec(instance(epoch), ['/bin/sh', '-c', 'echo $GREETING $LD_BIND_NOW'])
      const [file = '', ...words] = plan.command
      return spawnSync(file, words, { env: plan.environment, encoding: 'utf8' }).stdout
    }
    for (let epoch = 1; epoch <= 10; epoch++) {
      await bed.run(epoch, ['sleep', '1000'], { environment })
      assert.equal(await run(epoch), 'hello 1\n')
      if (epoch < 10) await bed.runtime.kill(instance(epoch), 5000)
    }
    await bed.reopen()
    assert.equal(await run(10), 'hello 1\n')
  },
)

for (const [what, options, use] of [
  ['disk', 'size=2m', fill],
  ['disk without inodes', 'nr_inodes=700', useUpInodes],
] as const) {
  test(`on a full ${what} everything that falls gets up again, again and again`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t, { state: mountTmpfs(t, options) })
    const slots = Array.from({ length: 6 }, (_, index) => slotId(asServiceName('web'), index))
    for (const slot of slots) await bed.run(1, ['sleep', '1000'], { slot })
    const spares = slots.flatMap((slot) => ['spare', 'spare.out'].map((name) => bed.path('slots', slot.replace('/', '.'), name)))
    await until(() => spares.every((path) => existsSync(path)), 'each has what its next start needs')
    use(bed.path('ballast'))
    for (let epoch = 2; epoch <= 6; epoch += 1) {
      await Promise.all(slots.map((slot) => bed.runtime.kill(instance(epoch - 1, slot), 10_000)))
      await Promise.all(slots.map((slot) => bed.event('gone', epoch - 1, slot)))
      await Promise.all(slots.map((slot) => bed.run(epoch, ['sleep', '1000'], { slot })))
    }
  })
}

test(
  'on a full disk nothing new is begun and nothing half-made is left; with space it works again',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t, { state: mountTmpfs(t) })
    await bed.run(1, ['true'])
    await bed.event('gone', 1)
    await until(() => existsSync(bed.path('slots', 'web.0', 'spare')), 'it has what its next start needs')
    const before = readdirSync(bed.path('slots', 'web.0'))
    fill(bed.path('ballast'))
    const other = slotId(asServiceName('other'), 0)
    assert.equal((await bed.runtime.start(bed.order(1, ['true'], { slot: other })))?.kind, 'no-space')
    // Larger than what is kept for it.
    const note = JSON.stringify('x'.repeat(300_000))
    assert.equal((await bed.runtime.start(bed.order(2, ['true'], { note })))?.kind, 'no-space')
    assert.deepEqual(readdirSync(bed.path('slots', 'web.0')), before)
    assert.equal(Number(readFileSync(bed.path('slots', 'web.0', 'epoch'), 'utf8')), 1)
    rmSync(bed.path('ballast'))
    await bed.run(2, ['true'])
  },
)

test('an exit code is recorded on a full disk, and read by the next daemon', { skip: needsRoot }, async (t) => {
  const bed = await RuntimeBed.open(t, { state: mountTmpfs(t) })
  const { pid } = await bed.run(1, ['/bin/sh', '-c', 'until [ -e go ]; do sleep 0.01; done; exit 42'], { directory: bed.state })
  mkdirSync(bed.path('go.d'))
  writeFileSync(bed.path('ready'), '')
  fill(bed.path('ballast'))
  await bed.runtime[Symbol.asyncDispose]()
  // Renaming needs no space where both names have the same length.
  spawnSync('mv', [bed.path('go.d'), bed.path('go')])
  await until(() => !isRunning(pid), 'it ended')
  await bed.reopen()
  assert.deepEqual(
    bed.discovery.occupants.map(({ epoch, state, exit }) => ({ epoch, state, exit })),
    [{ epoch: 1, state: 'gone', exit: { kind: 'code', code: 42 } }],
  )
})

test('without root it works with process groups, and says what is weaker', { skip: needsRoot }, async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  spawnSync('chown', ['nobody', state])
  const { stdout, stderr, status } = spawnSync(
    'setpriv',
    ['--reuid=nobody', '--clear-groups', process.execPath, '--input-type=module-typescript', '-e', unprivileged(state)],
    { encoding: 'utf8', cwd: '/', timeout: hangLimit(30_000) },
  )
  assert.equal(status, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), {
    killing: 'process-group',
    namespaces: false,
    strict: false,
    kinds: ['started', 'gone', 'started', 'gone'],
    exits: [
      { kind: 'code', code: 6 },
      { kind: 'signal', signal: 'SIGKILL' },
    ],
    refusal: 'running as user "root" needs root',
    left: [],
  })
})

/** As a text, because the whole process must be another's. */
const unprivileged = (state: string): string => `
  import { readFileSync, readdirSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  import { createProcessRuntime } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
  const runtime = await createProcessRuntime({ stateDirectory: ${JSON.stringify(state)}, stateId: 'ab', scripts: ${JSON.stringify(hostScripts)}, checkpoint: null, log: { write() {} } })
  const events = []
  await runtime.discover((event) => events.push(event))
  const order = (epoch, command, user = null) => ({ slot: 'web/0', epoch, runs: { kind: 'process', command, directory: '/', user }, environment: { PATH: process.env.PATH }, secretFiles: {}, limits: { cpuCores: null, memoryBytes: null, pids: null }, ulimits: {}, volumes: [], maxLogBytes: 1 << 24, note: '' })
  const count = async (n) => { for (let i = 0; events.length < n && i < 2000; i++) await sleep(5) }
  await runtime.start(order(1, ['/bin/sh', '-c', 'exit 6']))
  await count(2)
  await runtime.start(order(2, ['/bin/sh', '-c', '(setsid sleep 987654 9<&- &); sleep 987654']))
  await count(3)
  await sleep(100)
  await runtime.kill(order(2, []), 5000)
  const refusal = await runtime.start(order(3, ['true'], 'root'))
  const { killing, namespaces, strict } = runtime.guarantees()
  const isLeft = (pid) => { try { return readFileSync('/proc/' + pid + '/cmdline', 'utf8').startsWith('sleep\\0' + '987654') } catch { return false } }
  const left = readdirSync('/proc').filter((name) => /^\\d+$/.test(name) && isLeft(name))
  console.log(JSON.stringify({ killing, namespaces, strict: strict.possible, kinds: events.map((e) => e.kind), exits: events.filter((e) => e.exit).map((e) => e.exit), refusal: refusal.message, left }))
  await runtime[Symbol.asyncDispose]()
`

function mountTmpfs(t: TestContext, options: string = 'size=1m'): string {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  spawnSync('mount', ['-t', 'tmpfs', '-o', `${options},mode=700`, 'tmpfs', state])
  assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(` ${state} `))
  // Lazily, because what a failed test left inside is ended by the bed's own hook, which comes later.
  t.after(() => {
    spawnSync('umount', ['-l', state])
    rmSync(state, { recursive: true, force: true })
  })
  return state
}

function fill(path: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096'], { stdio: 'ignore' })
  assert.ok(existsSync(path))
}

/** Each of its files is one. */
function useUpInodes(path: string): void {
  mkdirSync(path)
  for (let index = 0; index < 10_000; index += 1) {
    try {
      writeFileSync(join(path, `${index}`), '')
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
      return
    }
  }
  assert.fail('there are inodes without end')
}
