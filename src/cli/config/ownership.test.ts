import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createContext, createScreen, fakeDaemon, runningVersion, usedState } from '../../../test/cli/harness.ts'
import type { Rehearsal } from '../../../test/cli/harness.ts'
import { defaultBalancer as balancer } from '../../core/keys/balancer.ts'
import type { ProjectView } from '../../protocol/projects.ts'
import { Client } from '../daemon/client.ts'
import { Invocation } from '../tree/invocation.ts'
import { claimSaved, settleOwnership, type Claim } from './ownership.ts'

const file = '/srv/shop/daruma.config.ts'
const config = { file, project: { name: 'shop', stage: null, balancer, notify: [], services: [] }, releases: [] }

const view = (id: string, from: string): ProjectView => ({
  id,
  name: id,
  stage: null,
  revision: 3,
  desired: 2,
  ready: 2,
  operation: null,
  isDown: false,
  volumes: [],
  origin: { file: from, user: 'ada', at: '2026-11-22T03:00:00.000Z' },
})

interface Try {
  readonly projects: readonly ProjectView[]
  readonly flags?: Readonly<Record<string, string | boolean>>
  /** What the person types; absent where nobody can be asked. */
  readonly answer?: string
  readonly mayAsk?: boolean
}

async function settle({ projects, flags = {}, answer, mayAsk = true }: Try): Promise<{ claim: Claim | null; said: string }> {
  using state = usedState()
  const known = projects.map(({ id, stage, origin }) => ({ id, stage, file: origin?.file ?? null }))
  await using _daemon = await fakeDaemon(state.path, {
    'GET /v1/version': { json: { ...runningVersion, projects: known } },
    'GET /v1/projects': { json: projects },
  })
  const context: Rehearsal = createContext({ terminal: createScreen(answer === undefined ? {} : { answer }) })
  const invocation = new Invocation([], { state: state.path, ...flags })
  const question = { config, client: new Client(state.path), state: state.path, mayAsk }
  const claim = await settleOwnership(context, invocation, question)
  return { claim, said: context.terminal.noted() }
}

const claimed = (id: string | null, handOver: string | null): Claim => ({ id, isKnown: id !== null, handOver, isOpen: false })
const former = [view('store', file)]
const foreign = [view('shop', '/home/ada/daruma.config.ts')]

test('a renamed config is refused where nobody can be asked, also with -y, and every answer is named', async () => {
  for (const flags of [{}, { yes: true }, { json: true }])
    await assert.rejects(settle({ projects: former, flags, ...('yes' in flags ? { answer: 'rename' } : {}) }), {
      code: 'E_PROJECT_RENAMED',
      message: /^This config was applied as store \(revision 3, 2 of 2 ready, by ada .* ago\), and is called shop now\.$/,
      hint: /--rename store: .*\n {2}--new: shop begins beside store/,
    })
})

test('a renamed config is what the person says that it is, and nothing without an answer', async () => {
  const answers = { rename: claimed('store', 'store'), 'rename store': claimed('store', 'store'), new: claimed(null, null) }
  for (const [answer, claim] of Object.entries(answers))
    assert.deepEqual((await settle({ projects: former, answer })).claim, claim, answer)
  for (const answer of ['', 'y', 'rename shop', 'no']) {
    const { claim, said } = await settle({ projects: former, answer })
    assert.deepEqual([claim, said.endsWith('Nothing was changed.\n')], [null, true], answer)
  }
  const two = await settle({ projects: [...former, view('kiosk', file)], answer: 'rename' })
  assert.equal(two.claim, null, 'of two it is not said which')
})

test('flags are answers, and saying one again does no harm', async () => {
  assert.deepEqual((await settle({ projects: former, flags: { rename: 'store' } })).claim, claimed('store', 'store'))
  assert.deepEqual((await settle({ projects: former, flags: { new: true } })).claim, claimed(null, null))
  assert.deepEqual((await settle({ projects: foreign, flags: { takeOver: true } })).claim, claimed('shop', 'shop'))
  const own = [view('shop', file)]
  for (const flags of [{}, { rename: 'store' }, { takeOver: true }, { new: true }])
    assert.deepEqual((await settle({ projects: own, flags })).claim, claimed('shop', null))
})

test('a rename to a name that is taken, or of a project that is not there, is refused', async () => {
  const both = [view('store', '/b/daruma.config.ts'), view('shop', file)]
  await assert.rejects(settle({ projects: both, flags: { rename: 'store' } }), { code: 'E_PROJECT_EXISTS' })
  await assert.rejects(settle({ projects: former, flags: { rename: 'stroe' } }), {
    code: 'E_PROJECT_UNKNOWN',
    hint: 'Did you mean store?',
  })
})

test('a project from another folder is taken over with a yes, and refused where nobody can be asked', async () => {
  assert.deepEqual((await settle({ projects: foreign, answer: 'y' })).claim, claimed('shop', 'shop'))
  assert.equal((await settle({ projects: foreign, answer: '' })).claim, null)
  await assert.rejects(settle({ projects: foreign }), {
    code: 'E_PROJECT_ELSEWHERE',
    message: /^shop \(.*\) was applied from \/home\/ada\/daruma\.config\.ts, and this is \/srv\/shop\/daruma\.config\.ts\.$/,
    hint: /--take-over/,
  })
})

test('a plan asks nothing: it shows the likely case and says that it is open', async () => {
  const { claim, said } = await settle({ projects: former, mayAsk: false })
  assert.deepEqual(claim, { ...claimed('store', 'store'), isOpen: true })
  assert.match(said, /Shown is --rename store\.\n$/)
})

test('a saved plan hands over once: applied again after a failure it finds it done, and what is not there is refused', async () => {
  const claim = async (ids: readonly string[], handOver: string | null): Promise<string | null> => {
    using state = usedState()
    const projects = ids.map((id) => ({ id, stage: null, file }))
    await using _daemon = await fakeDaemon(state.path, { 'GET /v1/version': { json: { ...runningVersion, projects } } })
    return await claimSaved(new Client(state.path), { project: config.project, handOver })
  }
  assert.deepEqual(await claim(['store'], 'store'), 'store')
  assert.deepEqual(await claim(['shop'], 'store'), null)
  assert.deepEqual(await claim(['shop'], 'shop'), 'shop')
  assert.deepEqual(await claim(['store'], null), null)
  await assert.rejects(claim(['blog'], 'store'), { code: 'E_PROJECT_UNKNOWN' })
  await assert.rejects(claim(['shop', 'store'], 'store'), { code: 'E_PROJECT_EXISTS' })
})
