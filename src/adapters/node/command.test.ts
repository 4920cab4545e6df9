import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync, writeFileSync, existsSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'

import { allPids, commandLine, environmentOf, identify, isAlive, until } from '../../../test/processes.ts'
import { createCommandRunner } from './command.ts'

const environment = { PATH: process.env['PATH'] ?? '' }
const sh = (
  script: string,
  ...words: readonly string[]
): { readonly command: readonly string[]; readonly environment: typeof environment } => ({
  command: ['/bin/sh', '-c', script, 'sh', ...words],
  environment,
})
const running = (word: string): readonly number[] => allPids().filter((pid) => commandLine(pid).includes(word))

describe('A command of a probe', () => {
  test('tells its exit code and the beginning of what it says, or why it could not be begun', async () => {
    const runner = createCommandRunner()
    assert.deepEqual(await runner.run(sh('echo out; echo err >&2; exit 3'), 30_000), { code: 3, output: 'out\nerr' })
    assert.deepEqual(await runner.run({ command: [], environment }, 30_000), { code: null, output: 'no command' })
    const { code, output } = await runner.run({ command: ['/nowhere/program'], environment }, 30_000)
    assert.deepEqual([code, /ENOENT/.test(output)], [null, true])
    const tooLong = await runner.run({ command: ['/bin/true', 'x'.repeat(4_000_000)], environment }, 30_000)
    assert.deepEqual([tooLong.code, /E2BIG/.test(tooLong.output)], [null, true])
  })

  test('ends at its time-out with all that it started', async () => {
    const word = `timed-out-${process.pid}`
    const result = await createCommandRunner().run(sh('echo begun; sleep 1000 & sh -c "sleep 1000; true" "$1"; true', word), 500)
    assert.deepEqual(result, { code: null, output: 'no end within 500 ms; begun' })
    await until('it is gone', 10_000, () => running(word).length === 0)
  })

  test('that cannot be killed has failed in time, ends nothing else, and is not begun a second time beside itself', async (t) => {
    const cgroup = `/sys/fs/cgroup/freezer/daruma-command-${process.pid}`
    if (process.geteuid?.() !== 0 || !existsSync('/sys/fs/cgroup/freezer')) return t.skip('needs root and a freezer of cgroup v1')
    mkdirSync(cgroup)
    t.after(async () => {
      writeFileSync(`${cgroup}/freezer.state`, 'THAWED')
      await until('the frozen one has ended', 10_000, () => {
        try {
          rmdirSync(cgroup)
          return true
        } catch {
          return false
        }
      })
    })
    const runner = createCommandRunner()
    const word = `frozen-${process.pid}`
    // A process of a frozen cgroup takes SIGKILL only when it is thawed: as if it were in the kernel.
    const plan = sh('echo 0 > "$2/cgroup.procs"; echo FROZEN > "$2/freezer.state"; sleep 1000', word, cgroup)
    assert.match((await runner.run(plan, 500)).output, /no end within 500 ms/)
    const [pid, ...others] = running(word)
    assert.ok(pid !== undefined && others.length === 0)
    for (let time = 0; time < 3; time += 1) {
      const again = await runner.run(plan, 500)
      assert.deepEqual(again, {
        code: null,
        output: `the one before was killed at its time-out and has not ended yet (pid ${pid})`,
      })
      assert.deepEqual(running(word), [pid])
    }
    assert.deepEqual(await runner.run(sh('echo another'), 30_000), { code: 0, output: 'another' })
    writeFileSync(`${cgroup}/freezer.state`, 'THAWED')
    await until('it has ended', 10_000, () => running(word).length === 0)
    await until('it is begun again', 10_000, async () => (await runner.run(sh('true', word), 30_000)).code === 0)
  })

  test('that may not be killed ends nobody: its failure is told, and the daemon goes on', async (t) => {
    const kill = process.kill.bind(process)
    t.mock.method(process, 'kill', (pid: number, signal: NodeJS.Signals) => {
      if (pid >= 0) return kill(pid, signal)
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    })
    const word = `not-ours-${process.pid}`
    const { output } = await createCommandRunner().run(sh('sleep 1000; true', word), 300)
    assert.match(output, /no end within 300 ms/)
    t.mock.restoreAll()
    const [pid] = running(word)
    assert.ok(pid !== undefined)
    kill(-pid, 'SIGKILL')
    await until('it is gone', 10_000, () => running(word).length === 0)
  })

  test('whose work is nobody’s child is ended by its marker', async (t) => {
    const marker = `DARUMA_EXEC=test${process.pid}`
    // Another's child that carries the marker, as what an engine runs does; and one that does not.
    const start = (env: Record<string, string>): number => {
      const child = spawn('sleep', ['1000'], { env: { ...environment, ...env }, detached: true, stdio: 'ignore' })
      t.after(() => child.kill('SIGKILL'))
      return child.pid ?? 0
    }
    const [name = '', value = ''] = marker.split('=')
    const marked = identify(start({ [name]: value }))
    const other = identify(start({ [name]: `${value}0` }))
    assert.ok(marked !== null && other !== null)
    await until('both have their environment', 5000, () => [marked, other].every(({ pid }) => name in environmentOf(pid)))
    await createCommandRunner().run({ ...sh('sleep 1000; true'), marker }, 200)
    await until('the marked one has ended', 10_000, () => !isAlive(marked))
    assert.ok(isAlive(other))
  })
})
