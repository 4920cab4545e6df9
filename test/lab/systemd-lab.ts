/**
 * The daemon under a real systemd, on a host of each cgroup layout: installed, killed, restarted, stopped, and through power cuts and
 * reboots. Each test goes on where the one before it stopped, as a machine does.
 */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { after, before, suite, test, type TestContext } from 'node:test'
import { commandLine, until } from '../processes.ts'
import { type Copy, livingCopies, watchForDoubles, type Witness } from './copies.ts'
import { type Layout, layoutsHere } from './ground.ts'
import { LabHost } from './host.ts'
import {
  allRunning,
  askDoctor,
  askEvents,
  askStatus,
  askVersion,
  configFile,
  daruma,
  gentleRecord,
  jobRecord,
  limitedFile,
  memoryLimitBytes,
  must,
  shopConfig,
  unit,
  unlimitedFile,
} from './shop.ts'

for (const layout of layoutsHere()) suite(`a host with the cgroup layout ${layout}`, () => live(layout))

function live(layout: Layout): void {
  let host: LabHost
  let witness: Witness
  let canLimit = false
  let failed: string | null = null

  /** A test that begins only where the ones before it came to: what follows a failure would only wait for what cannot be. */
  const stage = (name: string, run: (t: TestContext) => Promise<void>): void => {
    test(name, async (t) => {
      if (failed !== null) return t.skip(`after the failure of: ${failed}`)
      failed = name
      await run(t)
      failed = null
    })
  }

  before(async () => {
    host = await LabHost.make(layout, {
      [limitedFile]: shopConfig({ limitsMemory: true }),
      [unlimitedFile]: shopConfig({ limitsMemory: false }),
    })
    witness = watchForDoubles(host)
    await host.boot()
  })
  after(async () => {
    witness[Symbol.dispose]()
    await host[Symbol.asyncDispose]()
  })

  stage('doctor names the mechanism that this layout has', async (t) => {
    const { findings } = await askDoctor(host)
    for (const { name, state, message } of findings) t.diagnostic(`doctor: ${state} ${name}: ${message}`)
    const never = findings.find(({ name }) => name === 'never twice')
    const mechanism = layout === 'v1' ? 'v1' : 'v2'
    assert.deepEqual(
      [never?.state, never?.message],
      ['good', `strict services may run here: an instance is ended whole by ${mechanism}`],
    )
    canLimit = findings.find(({ name }) => name === 'limits')?.state === 'good'
    if (layout !== 'v2') assert.ok(canLimit, 'v1 controllers can limit')
    await must(host, 'mkdir', '-p', '/srv/shop')
    await must(host, 'cp', canLimit ? limitedFile : unlimitedFile, configFile)
  })

  stage('install writes, enables and starts a unit, and what is applied then runs below it', async (t) => {
    t.diagnostic((await daruma(host, 'daemon', 'install')).trim())
    const states = await Promise.all(['is-enabled', 'is-active'].map((question) => must(host, 'systemctl', question, unit)))
    assert.deepEqual(states, ['enabled\n', 'active\n'])
    t.diagnostic((await daruma(host, 'up', '--yes')).trim().split('\n').at(-1) ?? '')
    const { runs, pid } = await askVersion(host)
    assert.equal(runs, 'systemd')
    assert.equal((await must(host, 'systemctl', 'show', '--value', '--property=MainPID', unit)).trim(), `${pid}`)
    const copies = await allRunning(host)
    assert.equal(await runsOfJob(host), 1)
    for (const { pid: copy } of copies) assert.equal(readFileSync(`/proc/${copy}/oom_score_adj`, 'utf8'), '0\n')
    if (canLimit) assert.equal(memoryLimitOf(copies.find(({ slot }) => slot === 'cache/0')), memoryLimitBytes)
  })

  stage('a limit that the host cannot keep is refused, and what ran before runs on', async (t) => {
    if (canLimit) return t.skip('this host can limit memory')
    const before = await allRunning(host)
    await must(host, 'cp', limitedFile, configFile)
    const { code, output, error } = await host.run(['daruma', 'up', '--yes', '--file', configFile])
    t.diagnostic(`${output}${error}`.trim())
    assert.equal(code, 1)
    assert.match(`${output}${error}`, /E_LIMIT_IMPOSSIBLE/)
    assert.match(`${output}${error}`, /cache asks for a limit on memory/)
    await must(host, 'cp', unlimitedFile, configFile)
    assert.deepEqual(await allRunning(host), before)
  })

  stage('a daemon that is killed is started again by systemd and adopts what runs', async (t) => {
    const before = await allRunning(host)
    const first = await askVersion(host)
    const killedAt = performance.now()
    await must(host, 'kill', '-9', `${first.pid}`)
    const next = await otherDaemon(host, first.pid)
    t.diagnostic(`killed → its successor answers: ${seconds(killedAt)}`)
    assert.equal(next.runs, 'systemd')
    await assertAdopted(host, before)
  })

  stage('restart, and stop and start, of the unit leave the instances alone', async (t) => {
    const before = await allRunning(host)
    const first = await askVersion(host)
    const restartedAt = performance.now()
    await must(host, 'systemctl', 'restart', unit)
    await otherDaemon(host, first.pid)
    t.diagnostic(`restart → the next daemon answers: ${seconds(restartedAt)}`)
    await assertAdopted(host, before)

    await must(host, 'systemctl', 'stop', unit)
    assert.deepEqual(livingCopies(host), before)
    const { code } = await host.run(['systemctl', 'is-active', unit])
    assert.equal(code, 3, 'the unit stays stopped')
    await must(host, 'systemctl', 'start', unit)
    await assertAdopted(host, before)
  })

  stage('a command that needs a stopped daemon has systemd start it', async () => {
    const before = await allRunning(host)
    await daruma(host, 'daemon', 'stop')
    assert.deepEqual(livingCopies(host), before)
    await askStatus(host)
    assert.equal((await askVersion(host)).runs, 'systemd')
    await assertAdopted(host, before)
  })

  stage('after a power cut everything runs again under larger epochs, and the job is not repeated', async (t) => {
    const before = await allRunning(host)
    await host.cutPower()
    assert.deepEqual(livingCopies(host), [])
    await assertRisen(t, before)
  })

  stage('after a reboot the same; and instances were asked to end before they were killed', async (t) => {
    const before = await allRunning(host)
    const endings = await linesOf(host, gentleRecord)
    const askedAt = performance.now()
    await Promise.all([host.run(['systemctl', 'reboot']), host.ended()])
    t.diagnostic(`systemctl reboot → off: ${seconds(askedAt)}`)
    await assertRisen(t, before)
    assert.equal(await linesOf(host, gentleRecord), endings + 1)
  })

  stage('uninstall hands over to a supervised daemon, install hands back, and no instance notices', async () => {
    const before = await allRunning(host)
    await daruma(host, 'daemon', 'uninstall')
    assert.deepEqual(livingCopies(host), before)
    assert.equal((await host.run(['systemctl', 'cat', unit])).code, 1, 'the unit is gone')
    await askStatus(host)
    assert.equal((await askVersion(host)).runs, 'supervised')
    await assertAdopted(host, before)

    const supervised = await askVersion(host)
    assert.equal(supervisorsOf(host).length, 1)
    await must(host, 'kill', '-9', `${supervised.pid}`)
    assert.equal((await otherDaemon(host, supervised.pid)).runs, 'supervised')
    await assertAdopted(host, before)

    await daruma(host, 'daemon', 'install')
    assert.equal((await askVersion(host)).runs, 'systemd')
    await assertAdopted(host, before)
    await until('no supervisor is left beside systemd', 10_000, () => supervisorsOf(host).length === 0)
    assert.equal((await must(host, 'systemctl', 'is-active', unit)).trim(), 'active')
    const cache = before.find(({ slot }) => slot === 'cache/0')
    if (canLimit) assert.equal(memoryLimitOf(cache), memoryLimitBytes, 'still where its limit is')
  })

  stage('down ends everything under systemd too', async () => {
    await daruma(host, 'down', '--yes')
    assert.deepEqual(livingCopies(host), [])
    assert.equal((await askVersion(host)).runs, 'systemd')
  })

  stage('the witness saw no slot live twice, and does see a copy too many', async () => {
    assert.deepEqual([...witness.doubled], [])
    const twins = ['8', '9'].map((epoch) => host.run(['env', 'DARUMA_SLOT=web/0', `DARUMA_EPOCH=${epoch}`, 'sleep', '2']))
    await until('the witness sees the twins', 10_000, () => witness.doubled.has('web/0'))
    await Promise.all(twins)
  })

  async function assertRisen(t: TestContext, before: readonly Copy[]): Promise<void> {
    const bootedAt = performance.now()
    const risen = allRunning(host).then((copies) => {
      t.diagnostic(`boot → everything desired runs: ${seconds(bootedAt)}`)
      return copies
    })
    const [copies] = await Promise.all([
      risen,
      host.boot().then(() => t.diagnostic(`boot → systemd says running: ${seconds(bootedAt)}`)),
    ])
    for (const [index, copy] of copies.entries()) {
      const former = before[index]
      assert.ok(former !== undefined && copy.epoch > former.epoch, `${copy.slot}: ${former?.epoch} → ${copy.epoch}`)
    }
    const { instances } = await askStatus(host)
    assert.equal(instances.find(({ service }) => service === 'migrate')?.state, 'completed')
    assert.equal(await runsOfJob(host), 1)
    const kinds = (await askEvents(host)).map(({ kind }) => kind)
    assert.ok(kinds.lastIndexOf('host-rebooted') > kinds.lastIndexOf('adopted'), kinds.join(' '))
  }
}

/** By its own words and by the witness outside: the same processes under the same epochs. */
async function assertAdopted(host: LabHost, before: readonly Copy[]): Promise<void> {
  const { instances } = await until('the daemon answers', 30_000, () => askStatus(host).catch(() => null))
  assert.deepEqual(livingCopies(host), before)
  const running = instances.filter(({ state }) => state === 'running')
  const epochs = (list: readonly { readonly slot: string; readonly epoch: number | null }[]) =>
    Object.fromEntries(list.map(({ slot, epoch }) => [slot, epoch]))
  assert.deepEqual(epochs(running), epochs(before))
}

function otherDaemon(host: LabHost, pid: number): ReturnType<typeof askVersion> {
  return until(`another daemon than ${pid} answers`, 30_000, async () => {
    const version = await askVersion(host).catch(() => null)
    return version !== null && version.pid !== pid ? version : null
  })
}

/** The collector has the supervisor's path among its words too, but not in this place. */
const supervisorsOf = (host: LabHost): readonly number[] =>
  host.processes().filter((pid) => /\/host\/supervisor-[0-9a-f]+\.sh$/.test(commandLine(pid)[1] ?? ''))

const runsOfJob = (host: LabHost): Promise<number> => linesOf(host, jobRecord)

async function linesOf(host: LabHost, file: string): Promise<number> {
  return Number((await must(host, 'sh', '-c', 'touch "$0"; wc -l <"$0"', file)).trim())
}

/** What the kernel says, seen from outside the host. */
function memoryLimitOf(copy: Copy | undefined): number {
  const lines = readFileSync(`/proc/${copy?.pid}/cgroup`, 'utf8').split('\n')
  const pathIn = (controller: string): string => lines.find((line) => line.split(':')[1] === controller)?.split(':')[2] ?? ''
  const v1 = `/sys/fs/cgroup/memory${pathIn('memory')}/memory.limit_in_bytes`
  return Number(readFileSync(existsSync(v1) ? v1 : `/sys/fs/cgroup${pathIn('')}/memory.max`, 'utf8'))
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(2)} s`
