/**
 * What the benches count as a peer's CPU time, the same of everybody: all that it starts, and not the bench. Of ourselves the programs' too,
 * although keepers leave the cgroups that the daemon is in.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { CpuAccounts } from '../bench/cpu-accounts.ts'
import { darumaPeer } from '../bench/peers/daruma.ts'
import { needsRoot, until } from './support/runtime-bed.ts'

/** RLIMIT_CPU counts by the kernel's ticks, which is not as exact: at least a second and a half. */
const burnTwoSeconds = `ulimit -S -t 2; perl -e '1 while 1'`

test('what a service burns is in the account of whoever runs it', { skip: needsRoot }, async (t) => {
  using accounts = new CpuAccounts()
  await using peer = darumaPeer({ home: '/nowhere', firstAction: '/nowhere' })
  const { machine } = peer
  const [begin, done] = [join(machine.workshop, 'begin'), join(machine.workshop, 'done')]
  const burn = `while [ ! -e ${begin} ]; do sleep 0.05; done; ${burnTwoSeconds}; : >${done}; exec sleep 1000`
  await accounts.during(peer, () => machine.up({ burner: { command: ['/bin/sh', '-c', burn] } }))
  const before = accounts.seconds(peer)
  if (before === null) return t.skip('no cgroup v2 here')
  writeFileSync(begin, '')
  await until(() => existsSync(done), 'the program has burnt its two seconds')
  const burnt = (accounts.seconds(peer) ?? 0) - before
  assert.ok(burnt >= 1.5, `${burnt} s`)
})

test(
  'what a peer starts that stays in its cgroup is in its account, and what the bench does meanwhile is not',
  { skip: needsRoot },
  async (t) => {
    using accounts = new CpuAccounts()
    const peer = { name: 'a peer', cgroup: () => null }
    const burnt: (number | null)[] = []
    await accounts.during(peer, async () => {
      const before = process.cpuUsage()
      spawnSync('/bin/sh', ['-c', burnTwoSeconds])
      while (process.cpuUsage(before).user < 2e6);
      burnt.push(accounts.seconds(peer))
    })
    burnt.push(accounts.seconds(peer))
    if (burnt[0] === null) return t.skip('no cgroup v2 here')
    for (const seconds of burnt) assert.ok(seconds !== null && seconds >= 1.5 && seconds < 3.5, `${seconds} s`)
  },
)
