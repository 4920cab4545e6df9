/** Whatever the shell had that started the daemon: an instance begins from the same state. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { hangLimit } from '../../../test/hang-limit.ts'
import { RuntimeBed, hostScripts, needsRoot, until } from '../../../test/support/runtime-bed.ts'
import { findForeignCgroups, parseCgroupMounts } from './cgroups/mounts.ts'
import { attainable, defaultRlimits } from './keepers/known-state.ts'

const keyctl = process.arch === 'x64' ? 250 : 219
const ffi = `process.getBuiltinModule("node:ffi")`
/** Prints the description of the session keyring that the process is in (KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING). */
const describeKeyring = `const { functions: c } = ${ffi}.dlopen(null, { syscall: { arguments: ["i64", "i64", "i64", "buffer", "i64"], return: "i64" } });
  const text = Buffer.alloc(200); const length = Number(c.syscall(${keyctl}n, 6n, -3n, text, 200n)); console.log("keyring", text.toString("utf8", 0, length - 1).split(";").pop())`
/** Joins one with a name, as login(1) does by pam_keyinit. */
const joinKeyring = `const { functions: c } = ${ffi}.dlopen(null, { syscall: { arguments: ["i64", "i64", "string"], return: "i64" } }); c.syscall(${keyctl}n, 1n, "a-login")`

/** All that a process inherits and can be read of it. */
const show = `cat /proc/self/limits
  grep -E "^(Cpus_allowed_list|Sig(Blk|Ign)|Cap|Umask|NoNewPrivs|Seccomp):" /proc/self/status
  cat /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/personality /proc/self/setgroups 2>/dev/null
  grep -v ':/daruma/' /proc/self/cgroup; ${process.execPath} --no-warnings -e ${"'"}${describeKeyring}${"'"}
  ionice; nice; chrt -p $$ | sed 's/.*: //'; umask; pwd; readlink /proc/self/fd/0; ls /proc/$$/fd; env | sort
  cut -d' ' -f7 /proc/self/stat; grep -o 'master:\\|shared:' /proc/self/mountinfo | sort | uniq -c`

async function showUnder(t: Parameters<typeof RuntimeBed.open>[0], around: readonly string[]): Promise<string> {
  const bed = await RuntimeBed.open(t)
  await bed.runtime[Symbol.asyncDispose]()
  const order = bed.order(1, ['/bin/sh', '-c', `exec >${bed.path('shown')} 2>&1; ${show}`], {
    environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  const script = `
    ${around.length > 1 ? joinKeyring : ''}
    import { createProcessRuntime } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    const runtime = await createProcessRuntime({ stateDirectory: ${JSON.stringify(bed.state)}, stateId: ${JSON.stringify(bed.stateId)}, scripts: ${JSON.stringify(hostScripts)}, checkpoint: null, log: { write() {} } })
    const alive = setInterval(() => {}, 1000)
    const { promise, resolve } = Promise.withResolvers()
    await runtime.discover((event) => { if (event.kind !== 'started') resolve() })
    await runtime.start(${JSON.stringify(order)})
    await promise
    clearInterval(alive)
    await runtime[Symbol.asyncDispose]()
  `
  const words = [...around, process.execPath, '--input-type=module-typescript', '-e', script]
  const { status, stderr } = spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8', cwd: '/', timeout: hangLimit(60_000) })
  assert.equal(status, 0, stderr)
  return readFileSync(bed.path('shown'), 'utf8')
}

test(
  'an instance is the same under any nice value, priority, processor, limit, class, mask and slack of the shell before it',
  { skip: needsRoot },
  async (t) => {
    const plain = await showUnder(t, ['/usr/bin/env'])
    assert.match(plain, /Max open files/)
    const cgroups = makeForeignCgroups(t)
    const inCgroups = `for file in ${cgroups.join(' ')}; do echo 0 >$file; done`
    const tools = [
      ['nice', '-n', '5', 'ionice', '-c', '3', 'taskset', '-c', '0', 'chrt', '--batch', '0', 'choom', '-n', '300', '--'],
      ['sh', '-c', `${inCgroups}; ${inShell}`, 'sh'],
      ['setarch', 'x86_64', '-R', 'setsid', 'nohup', 'env', '--block-signal=USR1', '--ignore-signal=TERM'],
      ['setpriv', '--inh-caps=+chown,+net_raw', '--ambient-caps=+chown', '--'],
    ]
    const strange = tools.flat()
    assert.equal(await showUnder(t, strange), plain)
  },
)

const inShell =
  'umask 077; ulimit -S -n 300; ulimit -S -c unlimited; ulimit -S -s 4096; ulimit -S -i 100; echo 1000000 >/proc/self/timerslack_ns; exec "$@"'

/** One in each v1 hierarchy that lets us; the files by which they are joined. */
function makeForeignCgroups(t: TestContext): readonly string[] {
  const { controllers } = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  const names = ['cpu', 'freezer', 'net_cls', 'pids', 'blkio', 'name=systemd']
  const folders = [...new Set(names.flatMap((name) => controllers.get(name) ?? []))].map((mount) =>
    join(mount, `daruma-test-${process.pid}`),
  )
  t.after(async () => {
    for (const folder of folders.filter(existsSync)) await until(() => isRemoved(folder), `${folder} is empty`)
  })
  for (const folder of folders) mkdirSync(folder)
  return folders.map((folder) => join(folder, 'cgroup.procs'))
}

function isRemoved(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch {
    return false
  }
}

test(
  'what nobody can undo is said: no_new_privs, and capabilities that were dropped for good',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    const script = `
    import { surveyHost } from ${JSON.stringify(join(import.meta.dirname, 'survey.ts'))}
    const { guarantees } = await surveyHost({ stateId: ${JSON.stringify(bed.stateId)}, force: null, forceNoNamespaces: false })
    console.log(guarantees.weaker.join('\\n'))
  `
    const node = [process.execPath, '--input-type=module-typescript', '-e', script]
    const { stdout, stderr } = spawnSync('setpriv', ['--nnp', '--bounding-set=-chown', '--', ...node], { encoding: 'utf8' })
    assert.match(stdout, /^this daemon was started with no_new_privs: in no service do setuid programs/m, stderr)
    assert.match(stdout, /^this daemon was started without CAP_CHOWN/m)
  },
)

test('the root of each v1 hierarchy is joined in which a process is elsewhere', () => {
  const mounts = {
    unified: '/sys/fs/cgroup/unified',
    controllers: new Map([
      ['cpu', '/c/cpu'],
      ['cpuacct', '/c/cpu'],
      ['pids', '/c/pids'],
      ['name=systemd', '/c/systemd'],
    ]),
  }
  const text = '4:cpu,cpuacct:/user.slice\n3:pids:/\n1:name=systemd:/user.slice/a:b\n0::/user.slice\n'
  assert.deepEqual(findForeignCgroups(mounts, text), ['/c/cpu/cgroup.procs', '/c/systemd/cgroup.procs'])
})

test('without the right to raise a hard limit, the highest that can be had is taken', () => {
  const found = `Limit                     Soft Limit           Hard Limit           Units
Max open files            1000                 20000                files
Max processes             96365                96365                processes
Max nice priority         0                    0
Max core file size        unlimited            unlimited            bytes
`
  const { nofile, nproc, nice, core } = defaultRlimits
  assert.ok(nofile !== undefined && nproc !== undefined && nice !== undefined && core !== undefined)
  const wanted = { nofile, nproc, nice, core }
  assert.deepEqual(attainable(wanted, { limits: found, mayRaise: false }), {
    nofile: { soft: 20_000, hard: 20_000 },
    nproc: { soft: 96_365, hard: 96_365 },
    nice: { soft: 0, hard: 0 },
    core: { soft: 0, hard: Infinity },
  })
  assert.equal(attainable(wanted, { limits: found, mayRaise: true }), wanted)
})
