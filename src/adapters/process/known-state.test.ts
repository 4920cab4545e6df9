/** Whatever the shell had that started the daemon: an instance begins from the same state. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { hangLimit } from '../../../test/hang-limit.ts'
import { RuntimeBed, hostScripts, needsRoot } from '../../../test/support/runtime-bed.ts'
import { attainable, defaultRlimits } from './keepers/known-state.ts'

/** All that a process inherits and can be read of it. */
const show = `cat /proc/self/limits
  grep -E "^(Cpus_allowed_list|Sig(Blk|Ign)|Cap|Umask|NoNewPrivs|Seccomp):" /proc/self/status
  cat /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/personality /proc/self/setgroups 2>/dev/null
  ionice; nice; chrt -p $$ | sed 's/.*: //'; umask; pwd; readlink /proc/self/fd/0; ls /proc/$$/fd; env | sort
  cut -d' ' -f7 /proc/self/stat; grep -o 'master:\\|shared:' /proc/self/mountinfo | sort | uniq -c`

async function showUnder(t: Parameters<typeof RuntimeBed.open>[0], around: readonly string[]): Promise<string> {
  const bed = await RuntimeBed.open(t)
  await bed.runtime[Symbol.asyncDispose]()
  const order = bed.order(1, ['/bin/sh', '-c', `exec >${bed.path('shown')} 2>&1; ${show}`], {
    environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  const script = `
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
    const strange = [
      ['nice', '-n', '5', 'ionice', '-c', '3', 'taskset', '-c', '0'],
      ['chrt', '--batch', '0', 'choom', '-n', '300', '--'],
      [
        'sh',
        '-c',
        'umask 077; ulimit -S -n 300; ulimit -S -c unlimited; ulimit -S -s 4096; echo 1000000 >/proc/self/timerslack_ns; exec "$@"',
        'sh',
      ],
      ['setarch', 'x86_64', '-R'],
      ['setsid', 'nohup'],
      ['setpriv', '--inh-caps=+chown,+net_raw', '--ambient-caps=+chown', '--'],
    ]
    for (const around of strange) assert.equal(await showUnder(t, around), plain, around.join(' '))
  },
)

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
