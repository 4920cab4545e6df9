/** Two projects side by side in one daemon: each by itself, also when the daemon is killed; what both cannot have is refused by name. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ListedService } from '../src/cli/render/projects.ts'
import type { StatusAnswer } from '../src/protocol/api.ts'
import { cgroupsOf, readStateId } from './clean-up.ts'
import { baseEnvironment, Machine, reporter } from './daemon-harness.ts'
import { until } from './processes.ts'
import { askDaemon } from './socket.ts'

const port = 18_000 + (process.pid % 1000)

function write(machine: Machine, name: string, more: object = {}): void {
  const services = { worker: { ...reporter(), singleton: true, ...more } }
  machine.writeConfigText(`export default define(${JSON.stringify({ name, services })})`)
}

const pidsIn = ({ instances }: StatusAnswer): readonly string[] =>
  instances.map(({ slot, pid, state }) => `${slot} ${pid} ${state}`).toSorted()

test('two projects with services of one name run side by side, outlive their daemon, and go one by one', async () => {
  await using machine = new Machine()
  for (const name of ['one', 'two']) {
    write(machine, name)
    assert.equal((await machine.run(['up', '--yes', '--new'])).code, 0)
  }
  const status = async (query: string): Promise<StatusAnswer | null> => askDaemon(machine.state, `/v1/status${query}`)
  const before = await until('both run', 20_000, async () => {
    const all = await status('')
    return all?.instances.length === 2 && all.instances.every(({ state }) => state === 'running') ? all : null
  })
  assert.deepEqual(before.instances.map(({ slot }) => slot).toSorted(), ['one/worker/0', 'two/worker/0'])
  await machine.kill('daemon')
  const after = await until('another daemon has both', 20_000, async () => {
    const all = await status('').catch(() => null)
    return all !== null && all.daemon.pid !== before.daemon.pid && all.instances.length === 2 ? all : null
  })
  assert.deepEqual(pidsIn(after), pidsIn(before))

  const down = await machine.run(['down', '--yes', '--project', 'one'])
  assert.equal(down.code, 0, down.stderr)
  assert.deepEqual((await status('?project=one'))?.instances, [])
  assert.deepEqual(
    (await status('?project=two'))?.instances.map(({ slot, pid }) => `${slot} ${pid}`),
    before.instances.filter(({ slot }) => slot.startsWith('two/')).map(({ pid }) => `worker/0 ${pid}`),
  )
})

test('a port that another project has is refused when it is planned, naming who has it', async () => {
  await using machine = new Machine()
  write(machine, 'one', { port })
  await machine.up()
  write(machine, 'two', { port })
  const { code, stderr } = await machine.run(['up', '--yes', '--new'])
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`worker wants port ${port}, which one/worker has \\[E_PROJECT_CLASH\\]`))
})

test('two projects that build the same release at once have a tree each, and neither build finds the other there', async () => {
  await using machine = new Machine()
  const folder = join(machine.workshop, 'app')
  mkdirSync(folder)
  writeFileSync(join(folder, 'main.sh'), '[ -e made ] && exec sleep 1000000\n')
  const [begun, go] = [join(machine.workshop, 'begun'), join(machine.workshop, 'go')]
  const command = `mkdir mine && echo x >>${begun}; while [ ! -e ${go} ]; do sleep 0.05; done; rmdir mine && touch made`
  const services = { web: { command: ['/bin/sh', 'main.sh'], source: { path: folder, build: { command } } } }
  const outcomes = []
  for (const [index, name] of ['one', 'two'].entries()) {
    machine.writeConfigText(`export default define(${JSON.stringify({ name, services })})`)
    outcomes.push(machine.start(['up', '--yes', '--new']).outcome)
    await until(`${name} builds`, 30_000, () => existsSync(begun) && readFileSync(begun, 'utf8') === 'x\n'.repeat(index + 1))
  }
  writeFileSync(go, '')
  for (const { code, stdout, stderr } of await Promise.all(outcomes)) assert.equal(code, 0, `${stdout}${stderr}`)
  assert.equal(readdirSync(join(machine.state, 'releases/trees')).length, 2)
})

test('a project that is down is removed with all that it has but its volumes, and comes back with them at revision 1', async () => {
  await using machine = new Machine()
  write(machine, 'other')
  await machine.up()
  write(machine, 'one', { volumes: ['data'] })
  assert.equal((await machine.run(['up', '--yes', '--new'])).code, 0)
  const first = (await machine.instance('one/worker/0')).epoch ?? 0
  const volume = join(machine.state, 'projects/one/volumes/data')
  writeFileSync(join(volume, 'kept'), 'yes')
  const refused = await machine.run(['project', 'rm', 'one', '--yes'])
  assert.match(refused.stderr, /one is up: .* \[E_PROJECT_RUNNING\]\n→ `daruma down -p one`/)
  assert.equal((await machine.run(['down', '--yes', '-p', 'one'])).code, 0)
  const unasked = await machine.run(['project', 'rm', 'one'])
  assert.deepEqual([unasked.code, /E_CONFIRMATION/.test(unasked.stderr)], [1, true])
  const removed = await machine.run(['project', 'rm', 'one', '--yes'])
  assert.deepEqual([removed.code, removed.stdout], [0, `one is removed.\nkept: data, in ${volume}\n`])

  const id = readStateId(machine.state)!
  const inKernel = cgroupsOf(id).filter((cgroup) => existsSync(join(cgroup, 'one')))
  assert.deepEqual([inKernel, readdirSync('/run/daruma').filter((name) => name === `${id}_one`)], [[], []])
  assert.deepEqual(readdirSync(join(machine.state, 'projects/one')), ['volumes'])
  const { daemon } = (await machine.status())!
  await machine.kill('daemon')
  await machine.waitFor('another daemon answers', (status) => status.daemon.pid !== daemon.pid)
  const listed = await machine.run(['project', 'ls'])
  assert.match(listed.stdout + listed.stderr, /^PROJECT .*\nother .*\nkept of one, which was removed: data \(in .*\)\n$/)

  assert.equal((await machine.run(['up', '--yes', '--new'])).code, 0)
  const again = await machine.instance('one/worker/0')
  assert.ok((again.epoch ?? 0) > first, `${again.epoch} after ${first}`)
  assert.equal(again.revision, 1)
  assert.equal(readFileSync(join(volume, 'kept'), 'utf8'), 'yes')
  const json = (await machine.run(['ls', '--json'])).stdout
  const services = (JSON.parse(json) as readonly ListedService[]).map(({ project, service, ready }) => [project, service, ready])
  assert.deepEqual(services, [
    ['one', 'worker', 1],
    ['other', 'worker', 1],
  ])
})

test('a project whose config is renamed is asked about, and carried over whole while it runs', async () => {
  await using machine = new Machine()
  write(machine, 'one', { volumes: ['data'] })
  await machine.up()
  const before = await machine.instance('worker/0')
  write(machine, 'two', { volumes: ['data'] })
  const refused = await machine.run(['up', '--yes'])
  assert.match(refused.stderr, /applied as one .* and is called two now\. \[E_PROJECT_RENAMED\]/)
  assert.deepEqual(pidsIn((await machine.status())!), pidsIn({ instances: [before] } as never))

  const renamed = await machine.run(['up', '--yes', '--rename', 'one'])
  assert.deepEqual([renamed.code, /one is called two now\./.test(renamed.stderr)], [0, true], renamed.stderr)
  await machine.kill('daemon')
  const after = await machine.waitFor('another daemon has it by its new name', ({ project }) => project === 'two')
  assert.deepEqual(pidsIn(after), pidsIn({ instances: [before] } as never))
  assert.equal((await machine.run(['up', '--yes', '--rename', 'one'])).code, 0, 'again it does nothing')

  write(machine, 'one', { volumes: ['data'] })
  assert.equal((await machine.run(['up', '--yes', '--new'])).code, 0)
  const beside = await machine.waitFor('both run', ({ instances }) => instances.length === 2)
  assert.deepEqual(beside.instances.map(({ slot }) => slot).toSorted(), ['one/worker/0', 'two/worker/0'])
  assert.deepEqual(readdirSync(join(machine.state, 'projects')).toSorted(), ['one', 'one__2'])
})

test('a project of another folder is taken over only when that is said', async () => {
  await using machine = new Machine()
  write(machine, 'one', { directory: '/' })
  await machine.up()
  const before = pidsIn((await machine.status())!)
  await using elsewhere = new Machine({ state: machine.state })
  write(elsewhere, 'one', { directory: '/' })
  const refused = await elsewhere.run(['up', '--yes'])
  assert.match(refused.stderr, /\[E_PROJECT_ELSEWHERE\]/)
  assert.equal((await elsewhere.run(['up', '--yes', '--take-over'])).code, 0)
  assert.deepEqual(pidsIn((await machine.status())!), before)
  assert.ok((await machine.run(['project', 'ls'])).stdout.includes(elsewhere.config))
  assert.match((await machine.run(['up', '--yes'])).stderr, /\[E_PROJECT_ELSEWHERE\]/)
})

test('without --state, a command in the folder of a config that was never applied touches no other project', async () => {
  await using machine = new Machine()
  write(machine, 'one')
  await machine.up()
  const folder = join(machine.workshop, 'two')
  mkdirSync(folder)
  const services = { worker: { ...reporter(), singleton: true } }
  const config = `import { define } from 'daruma'\nexport default define(${JSON.stringify({ name: 'two', services })})\n`
  writeFileSync(join(folder, 'daruma.config.ts'), config)
  const daruma = (words: readonly string[], cwd: string): { readonly status: number | null; readonly text: string } => {
    const env = { ...baseEnvironment(), DARUMA_STATE: machine.state }
    const { status, stdout, stderr } = spawnSync(machine.launcher, words, { cwd, env, encoding: 'utf8' })
    return { status, text: `${stdout}${stderr}` }
  }
  for (const words of [['down', '-y'], ['restart', '-y', 'worker'], ['status']]) {
    const { status, text } = daruma(words, folder)
    assert.equal(status, 1, text)
    assert.match(text, /Nothing was applied from \S+\/two\/daruma\.config\.ts as two\. \[E_PROJECT_UNKNOWN\]\n.*: one\./)
  }
  assert.equal(machine.find('instance').length, 1)
  assert.equal(daruma(['up', '-y'], folder).status, 0)
  // Each by its folder; all of them where no config is in reach.
  assert.match(daruma(['status'], folder).text, /^two · /)
  const all = daruma(['status'], machine.workshop).text
  for (const name of ['one/worker', 'two/worker']) assert.match(all, new RegExp(`^${name} `, 'm'))
  const { status, text } = daruma(['down', '-y'], folder)
  assert.equal(status, 0, text)
  assert.match(daruma(['status', '-p', 'one'], folder).text, /^one · .* 1 of 1 ready/)
  assert.equal(machine.find('instance').length, 1)
})

const nobody = 65_534
const asNobody = ['--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups']
const isReadable = (machine: Machine): boolean => spawnSync('setpriv', [...asNobody, machine.launcher, 'version']).status === 0

test('a config that root runs is not run a second time by a user who forgot sudo: they are asked, or refused', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('needs root')
  await using machine = new Machine()
  if (!isReadable(machine)) return t.skip('other users cannot read this clone')
  write(machine, 'one')
  await machine.up()
  const before = pidsIn((await machine.status())!)
  const home = join(machine.workshop, 'home')
  mkdirSync(home)
  chownSync(home, nobody, nobody)
  const byNobody = { cwd: join(machine.workshop, 'config'), env: { ...baseEnvironment(), HOME: home }, encoding: 'utf8' } as const
  const refused = spawnSync('setpriv', [...asNobody, machine.launcher, 'up', '--yes'], byNobody)
  assert.equal(refused.status, 1, refused.stdout)
  assert.match(refused.stderr, /root runs this config already, in the state \S+: .* a second time\. \[E_PROJECT_ELSEWHERE\]/)
  assert.match(refused.stderr, /`sudo daruma up` applies it there/)

  // script(1) makes the terminal at which there is somebody to ask.
  const command = ['setpriv', ...asNobody, machine.launcher, 'up'].join(' ')
  const asked = spawnSync('script', ['-qec', command, '/dev/null'], { ...byNobody, input: 'n\n' })
  assert.match(
    asked.stdout,
    /root runs this config already[^]*Start a second copy\? \[y\/N\][^]*Nothing was changed\./,
    asked.stderr,
  )

  const planned = spawnSync('setpriv', [...asNobody, machine.launcher, 'plan'], byNobody)
  assert.match(planned.stderr, /root runs this config already/)
  assert.equal(existsSync(join(home, '.local')), false, 'no state was made')
  assert.deepEqual(pidsIn((await machine.status())!), before)
})
