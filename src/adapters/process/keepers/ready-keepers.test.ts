/** Keepers that stand by: each used once, replaced when they are used, and gone with their daemon. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { cgroupsOf } from '../../../../test/clean-up.ts'
import {
  RuntimeBed,
  hostScripts,
  instance,
  isRunning,
  kill,
  needsRoot,
  processesNaming,
  until,
  web,
} from '../../../../test/support/runtime-bed.ts'
import { childrenOf, commandLine } from '../../../../test/processes.ts'
import { asServiceName, slotId } from '../../../core/model/id.ts'
import { observeProcess } from '../../../system/process-stat.ts'
import { installScript } from '../../../host/install-script.ts'
import { type ReadyKeeper, ReadyKeepers } from './ready-keepers.ts'
import { Site } from '../site.ts'
import { surveyHost } from '../survey.ts'

async function openKeepers(
  t: TestContext,
  options: {
    readonly force?: 'process-group'
    /** Shell text before the keeper's own. */
    readonly before?: (bed: RuntimeBed) => string
    readonly readyLimitMs?: number
  } = {},
): Promise<{ readonly keepers: ReadyKeepers; readonly bed: RuntimeBed; readonly troubles: string[] }> {
  // Before the bed's own hook: it waits for cgroups to be gone, and keepers that still stand by would be replaced in new ones.
  let closing: ReadyKeepers | null = null
  t.after(() => closing?.close())
  const bed = await RuntimeBed.open(t)
  await bed.runtime[Symbol.asyncDispose]()
  const survey = await surveyHost({
    stateId: bed.stateId,
    force: options.force ?? null,
    forceNoNamespaces: options.force !== undefined,
  })
  const site = new Site({ stateDirectory: bed.state, home: bed.stateId, survey })
  site.keepers?.read()
  const installed = installScript({ name: 'keeper', from: hostScripts, stateDirectory: bed.state })
  const keeper = options.before === undefined ? installed : bed.path('keeper-with-more.sh')
  if (options.before !== undefined) writeFileSync(keeper, options.before(bed) + readFileSync(installed, 'utf8'))
  const { setsid, flock, mount, unshare } = survey.tools
  const tools = {
    keeper,
    stateDirectory: bed.state,
    wrapper: [],
    setsid,
    flock,
    mount,
    unshare: survey.namespaces ? unshare : null,
  }
  const troubles: string[] = []
  const onTrouble = (message: string, error: unknown): void => void troubles.push(`${message}: ${String(error)}`)
  const { readyLimitMs } = options
  const limit = readyLimitMs === undefined ? {} : { readyLimitMs }
  const keepers = new ReadyKeepers({ site, tools: () => tools, prologue: '', onTrouble, ...limit })
  closing = keepers
  return { keepers, bed, troubles }
}

test('no keeper is handed out twice, however many ask at once', async (t) => {
  const { keepers, troubles } = await openKeepers(t)
  const taken: ReadyKeeper[] = []
  for (let round = 0; round < 4; round += 1) {
    const before = taken.length
    // Only one that stands by is handed out at once, and only such a one could be handed out again.
    for (;;) {
      const taking = keepers.take()
      const isAtOnce = await Promise.race([
        taking.then(() => true),
        new Promise<false>((resolve) => setImmediate(resolve, false)),
      ])
      const keeper = await taking
      taken.push(keeper)
      if (isAtOnce) break
      keeper.dismiss()
      await sleep(20)
    }
    taken.push(...(await Promise.all(Array.from({ length: 6 }, () => keepers.take()))))
    for (const keeper of taken.slice(before)) keeper.dismiss()
  }
  assert.ok(taken.length >= 28)
  assert.equal(new Set(taken.map(({ number }) => number)).size, taken.length)
  await until(() => taken.every(({ identity }) => !isRunning(identity.pid)), 'those that are not needed end')
  assert.deepEqual(troubles, [])
})

test('the last word is made and sent when the keeper waits for it, and not before', async (t) => {
  const { keepers, bed } = await openKeepers(t)
  const keeper = await keepers.take()
  let isAsked = false
  keeper.send(
    `{ until [ -e ${bed.path('go')} ]; do sleep 0.01; done; echo waits >&0; read -r word; [ "$word" = go ] || exit; echo taken >&0; exec sleep 1000; }\n`,
  )
  keeper.sendLast(() => {
    isAsked = true
    return 'go\n'
  })
  await until(() => childrenOf(keeper.identity.pid).length > 0, 'it has read its order')
  assert.equal(isAsked, false)
  writeFileSync(bed.path('go'), '')
  await until(() => commandLine(keeper.identity.pid)[0] === 'sleep', 'it has obeyed')
  assert.equal(isAsked, true)
  keeper.dismiss()
})

test('a keeper that was killed while it stood by is not handed out', async (t) => {
  const { keepers } = await openKeepers(t)
  const one = await keepers.take()
  const parent = observeProcess(one.identity.pid)?.parent ?? 0
  const others = (): number[] => sisters(one.identity.pid)
  await until(() => others().length >= 4, 'others stand by')
  const killed = others()
  for (const pid of killed) kill(pid)
  await until(() => !killed.some(isRunning), 'they are gone')
  const next = await keepers.take()
  assert.ok(isRunning(next.identity.pid))
  assert.notEqual(next.identity.pid, one.identity.pid)
  assert.ok(parent >= 0)
  for (const keeper of [one, next]) keeper.dismiss()
})

for (const force of [undefined, 'process-group'] as const) {
  const where = force === undefined ? 'in its cgroup' : 'without cgroups'
  test(`keepers that are killed before they have said a word are replaced, and nobody waits for them (${where})`, async (t) => {
    // Every keeper hangs until it is calm; who would wait for them to speak would wait for an hour.
    const before = (bed: RuntimeBed): string => `[ -e '${bed.path('calm')}' ] || /bin/sleep 1000\n`
    const limit = { before, readyLimitMs: 3_600_000 }
    const { keepers, bed, troubles } = await openKeepers(t, force === undefined ? limit : { ...limit, force })
    const taking = keepers.take()
    let taken: Awaited<typeof taking> | null = null
    void taking.then((keeper) => (taken = keeper))
    const hung = (): readonly number[] =>
      processesNaming(bed.path('keeper-with-more.sh')).filter((pid) => childrenOf(pid).some((child) => child.name === 'sleep'))
    await until(() => hung().length >= 5, 'they hang')
    await until(() => hung().length === processesNaming(bed.path('keeper-with-more.sh')).filter(isKeeper).length, 'all of them')
    assert.equal(taken, null)
    writeFileSync(bed.path('calm'), '')
    for (const pid of hung()) {
      for (const child of childrenOf(pid)) kill(child.pid)
      kill(pid)
    }
    await until(() => taken !== null, 'one that came after them is handed out')
    ;(await taking).dismiss()
    assert.deepEqual(
      troubles.filter((trouble) => trouble.startsWith('a keeper could not be made')),
      [],
    )
  })
}

const isKeeper = (pid: number): boolean => commandLine(pid)[0] === '/bin/sh' && commandLine(pid).length > 2

test(
  'a keeper leads away from its daemon: a session of its own, no signal ignored, nothing of ours open',
  { skip: needsRoot },
  async (t) => {
    const { keepers } = await openKeepers(t)
    const keeper = await keepers.take()
    const { pid } = keeper.identity
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const own = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? []
    assert.notEqual(stat[3], own[3], 'its session')
    assert.equal(stat[4], '0', 'no terminal')
    assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^SigIgn:\t0+$/m)
    // Its shell holds the script, and the descriptor that it has just written to, a moment longer.
    await until(() => readdirSync(`/proc/${pid}/fd`).length === 4, 'it waits')
    assert.deepEqual(readdirSync(`/proc/${pid}/fd`).toSorted(), ['0', '1', '2', '8'])
    keeper.dismiss()
  },
)

test(
  'the ready keepers of a daemon that was killed end by themselves, and the next daemon removes their cgroups',
  { skip: needsRoot },
  async (t) => {
    const bed = await RuntimeBed.open(t)
    await bed.runtime[Symbol.asyncDispose]()
    const daemon = spawn(process.execPath, ['--input-type=module-typescript', '-e', daemonOf(bed)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => kill(daemon.pid ?? 0))
    await new Promise((resolve) => daemon.stdout.once('data', resolve))
    const numbers = (): string[] => cgroupsOf(bed.stateId).flatMap((path) => directoriesIn(join(path, 'keepers')))
    const keepers = (): number[] => membersOf(bed)
    await until(() => keepers().length >= 16, 'eight, each with its parent')
    const ready = keepers().filter((pid) => commandLine(pid)[0] === '/bin/sh')
    daemon.kill('SIGKILL')
    await until(() => ready.filter(isRunning).length === 1, 'all have ended but the one that runs something')
    await bed.reopen()
    assert.deepEqual(
      bed.discovery.occupants.map(({ slot, state }) => [slot, state]),
      [[web, 'running']],
    )
    await bed.runtime.kill(instance(1), 5000)
    await bed.runtime[Symbol.asyncDispose]()
    assert.deepEqual(numbers(), [])
  },
)

test('a burst of starts is served by keepers that are made for it, and in quiet times a few stand by', async (t) => {
  const bed = await RuntimeBed.open(t)
  const slots = Array.from({ length: 30 }, (_, index) => slotId(asServiceName('web'), index))
  await Promise.all(slots.map((slot) => bed.run(1, ['true'], { slot })))
  await Promise.all(slots.map((slot) => bed.event('gone', 1, slot)))
  assert.deepEqual(bed.warnings, [])
})

const directoriesIn = (path: string): string[] => {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch {
    return []
  }
}

/** Every process in a keeper's cgroup. */
function membersOf(bed: RuntimeBed): number[] {
  const cgroups = cgroupsOf(bed.stateId).map((path) => join(path, 'keepers'))
  const files = cgroups.flatMap((path) => directoriesIn(path).map((number) => join(path, number, 'cgroup.procs')))
  return [...new Set(files.flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number)))]
}

/** Other keepers that stand by for this process. */
function sisters(pid: number): number[] {
  // The last one is its number.
  const wordsOf = (each: number): string => commandLine(each).slice(0, -1).join('\0')
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => other !== pid && wordsOf(other) === wordsOf(pid) && childrenOf(other).length === 0)
}

/** As a text, because the whole process must die. */
const daemonOf = (bed: RuntimeBed): string => `
  import { createProcessRuntime } from ${JSON.stringify(join(import.meta.dirname, '../index.ts'))}
  const runtime = await createProcessRuntime({ stateDirectory: ${JSON.stringify(bed.state)}, stateId: ${JSON.stringify(bed.stateId)}, scripts: ${JSON.stringify(hostScripts)}, checkpoint: null, log: { write() {} } })
  await runtime.discover((event) => { if (event.kind === 'started') console.log('started') })
  await runtime.start(${JSON.stringify(bed.order(1, ['sleep', '1000']))})
  setInterval(() => {}, 1000)
`
