/** `daruma dev` as a developer has it in front: what is saved is answered by what runs, and the end leaves nothing. */

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { configMarkOf } from '../src/host/config-marks.ts'
import { findCompanions, type Role } from './companions.ts'
import { baseEnvironment, Machine } from './daemon-harness.ts'
import { freePort } from './free-ports.ts'
import { until } from './processes.ts'

const limitMs = 30_000
const roles: readonly Role[] = ['daemon', 'supervisor', 'collector', 'keeper', 'instance']

/** A `daruma dev` in front, and what it has said. */
class Front implements AsyncDisposable {
  readonly child: ChildProcess
  readonly state: string
  #said = ''
  #seen = 0

  constructor(machine: Machine, state: string = machine.state) {
    this.state = state
    this.child = spawn(machine.launcher, ['dev', '--state', state, '--file', machine.config], {
      cwd: dirname(machine.config),
      env: baseEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (part: Buffer) => (this.#said += part.toString('utf8')))
  }

  /** Waits for it in what was said after what was waited for before. */
  async says(pattern: RegExp): Promise<void> {
    try {
      await until(`${pattern} is said`, limitMs, () => {
        const found = pattern.exec(this.#said.slice(this.#seen))
        if (found === null) return false
        this.#seen += found.index + found[0].length
        return true
      })
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.#said}`, { cause: error })
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const ended = once(this.child, 'exit')
    this.child.kill(signal)
    return ((await ended) as [number | null])[0]
  }

  async leavesNothing(): Promise<void> {
    for (const role of roles)
      await until(`no ${role} is left`, limitMs, () => findCompanions(this.state, role, null).length === 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.end('SIGKILL')
  }
}

const program = (text: string): string => `echo ${text}; exec sleep 1000`
const service = { update: { minReady: '0s' }, command: 'exec sh program.sh' }

/** What tells one run of a service from the next. */
async function runOf(machine: Machine, name: string): Promise<readonly unknown[]> {
  const instances = (await machine.status())?.instances ?? []
  return instances.filter(({ service: each }) => each === name).map(({ slot, pid, epoch }) => [slot, pid, epoch])
}

function write(machine: Machine, path: string, text: string): void {
  const whole = join(dirname(machine.config), path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, text)
}

test('what is saved is seen: a source, a program in place, an ignored envFile, the config; a broken config changes nothing; Ctrl-C leaves nothing', async () => {
  await using machine = new Machine()
  write(machine, '.gitignore', '.env\nnode_modules/\n')
  write(machine, '.env', 'WHO=ada\n')
  write(machine, 'web/program.sh', program('web one'))
  write(machine, 'api/program.sh', program('api one'))
  const config = { web: { ...service, source: './web', envFile: '.env' }, api: { ...service, directory: './api' } }
  machine.writeConfig(config)
  await using front = new Front(machine)
  await front.says(/api\/\d +│ api one/)
  await machine.waitUntilSettled()
  const api = await runOf(machine, 'api')

  write(machine, 'web/program.sh', program('web two'))
  await front.says(/source: 1 file changed: program\.sh[\s\S]*web\/\d +│ web two/)
  write(machine, '.env', 'WHO=grace\n')
  await front.says(/WHO[\s\S]*web\/\d +│ web two/)
  assert.deepEqual(await runOf(machine, 'api'), api, 'nothing of api has changed')

  await machine.waitUntilSettled()
  const web = await runOf(machine, 'web')
  write(machine, 'node_modules/a.js', '')
  write(machine, 'api/program.sh', program('api two'))
  await front.says(/\napi\/program\.sh: restarting api\.[\s\S]*api\/\d +│ api two/)
  assert.deepEqual(await runOf(machine, 'web'), web, 'nothing of web has changed')

  machine.writeConfigText('export default define({ name: 1 })')
  await front.says(/\[E_CONFIG_[A-Z]+\][\s\S]*Retrying when a file changes/)
  assert.deepEqual(await runOf(machine, 'web'), web)
  write(machine, 'api/program.sh', program('api three'))
  await front.says(/\[E_CONFIG_[A-Z]+\][\s\S]*Retrying when a file changes/)
  machine.writeConfig(config)
  // What was saved while the config was broken is not forgotten.
  await front.says(/\napi\/program\.sh: restarting api\.[\s\S]*api\/\d +│ api three/)
  assert.deepEqual(await runOf(machine, 'web'), web)
  await machine.waitUntilSettled()
  machine.writeConfig({ web: config.web, late: { ...service, command: program('late one') } })
  await front.says(/late\/0 +│ late one/)
  await machine.waitUntilSettled()
  assert.equal(machine.find('instance').length, 2, 'what left the config is gone')

  machine.writeConfigText(
    readFileSync(machine.config, 'utf8')
      .replace(/[\s\S]*?export/, 'export')
      .replace(/"name": "[^"]+"/, '"name": "other"'),
  )
  await front.says(/ is called other now/)
  assert.equal((await machine.status())?.project, 'other')
  assert.equal(machine.find('instance').length, 2, 'a new name is no second copy')

  assert.equal(await front.end('SIGINT'), 0)
  await front.leavesNothing()
})

test('a dev that was killed left what it brought up, the next takes it up as it is, and beside it there is no second', async () => {
  await using machine = new Machine()
  machine.writeConfig({ web: { ...service, command: program('web one') } })
  await using killed = new Front(machine)
  await killed.says(/web\/\d +│ web one/)
  await machine.waitUntilSettled()
  const before = await runOf(machine, 'web')
  await killed.end('SIGKILL')

  await using next = new Front(machine)
  await next.says(/Adopting what an earlier `daruma dev` left running\.[\s\S]*Ctrl-C takes everything down/)
  await using second = new Front(machine)
  await second.says(new RegExp(`runs already for this config \\(pid ${next.child.pid}\\)\\. \\[E_DEV_RUNNING\\]`))
  await until('the second has left', limitMs, () => second.child.exitCode !== null)
  assert.equal(second.child.exitCode, 1)
  assert.deepEqual(await runOf(machine, 'web'), before)
  // A config that is broken by now takes down what it brought up, too.
  machine.writeConfigText('export default 1')
  await next.says(/\[E_CONFIG/)
  assert.equal(await next.end('SIGHUP'), 0)
  await next.leavesNothing()
})

test('a second Ctrl-C leaves at once, and what was begun is ended by the daemon', async () => {
  await using machine = new Machine()
  const stubborn = `trap 'echo asked' TERM; echo up; while :; do sleep 0.1; done`
  machine.writeConfig({ web: { ...service, command: stubborn, stop: { gracePeriod: '5s' } } })
  await using front = new Front(machine)
  await front.says(/web\/\d +│ up/)
  await machine.waitUntilSettled()
  front.child.kill('SIGINT')
  await front.says(/web\/\d +│ asked/)
  assert.equal(await front.end('SIGINT'), 130)
  await machine.waitForNobody('instance')
})

test('beside what up runs of the same config: a port that is taken is named, neither touches the other, its state is refused', async () => {
  await using machine = new Machine()
  const port = await freePort()
  const web = { ...service, command: [process.execPath, '-e', `require('http').createServer().listen(${port})`] }
  await machine.up({ web: { ...web, port } })
  const production = await runOf(machine, 'web')
  const refused = await machine.run(['dev'])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /is the state of something that `daruma up` has brought up\. \[E_DEV_STATE\]/)

  await using front = new Front(machine, join(machine.workshop, 'dev-state'))
  await front.says(new RegExp(`\\[E_PLAN_OBSTACLES\\]\\n +web +port ${port} is held by [\\s\\S]*Retrying when a file changes`))
  machine.writeConfig({ web: { ...service, command: program('web dev') } })
  await front.says(/web\/\d +│ web dev/)
  assert.deepEqual(await runOf(machine, 'web'), production)
  // By it other users learn where root runs this config.
  const mark = configMarkOf(machine.config)
  if (existsSync(mark)) assert.equal((JSON.parse(readFileSync(mark, 'utf8')) as { state: string }).state, machine.state)
  assert.equal(await front.end('SIGINT'), 0)
  await front.leavesNothing()
  assert.deepEqual(await runOf(machine, 'web'), production)
})
