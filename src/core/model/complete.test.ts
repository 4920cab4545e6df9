import assert from 'node:assert/strict'
import test from 'node:test'
import { defaultBalancer as balancer } from '../keys/balancer.ts'
import { updatePace } from '../keys/service/update.ts'
import { normaliseConfig } from '../config/normalise.ts'
import { serviceSettings } from '../keys/service.ts'
import { planChanges } from '../plan/plan-changes.ts'
import { completeProject, completeService, type RecordedProject, type RecordedService } from './complete.ts'
import { asRevisionNumber } from './id.ts'
import { type Process, processIdentity, type Service } from './service.ts'

/** What the first version wrote for `{ command: 'node server.js', replicas: 2, environment, secrets, health, user, … }`, word for word. */
const old = JSON.parse(`{
  "name": "web", "scale": {"kind": "replicas", "count": 2}, "command": ["/bin/sh", "-c", "node server.js"], "directory": "/srv/shop",
  "environment": {"LOG_LEVEL": "info"}, "secrets": {"TOKEN": {"source": {"from": "environment", "name": "TOKEN"}, "digest": "d1"}},
  "port": {"kind": "auto"}, "volumes": [{"name": "data", "target": "/data"}],
  "health": {"startup": null, "readiness": null, "liveness": null, "startPeriodMs": 60000},
  "limits": {"cpuCores": 0.5, "memoryBytes": null, "pids": 100}, "user": "www-data",
  "stop": {"signal": "SIGTERM", "gracePeriodMs": 10000},
  "restart": {"policy": "always", "delayMs": 100, "maxDelayMs": 30000, "resetAfterMs": 10000, "budget": 5},
  "update": {"order": "stop-first", "deadlineMs": 60000, "minReadyMs": 500},
  "guarantee": "available", "protect": false, "logs": {"maxBytes": 10485760}, "after": []
}`) as RecordedService
const oldProject: RecordedProject = { name: 'shop', stage: null, services: [old] }

/** As the first version computed it; instances that run since then carry it. */
const oldIdentity =
  '["service",["/bin/sh","-c","node server.js"],"/srv/shop",{"LOG_LEVEL":"info"},{"TOKEN":"d1"},{"kind":"auto"},' +
  '[{"name":"data","target":"/data"}],{"cpuCores":0.5,"memoryBytes":null,"pids":100},"www-data",3]'

test('an instance that was started by the first version keeps its identity: an upgrade restarts nothing', () => {
  assert.equal(processIdentity(completeService(old), 3), oldIdentity)
})

test('the same config planned on a record of the first version has no steps', () => {
  const answer = normaliseConfig(
    {
      name: 'shop',
      services: {
        web: {
          command: 'node server.js',
          replicas: 2,
          environment: { LOG_LEVEL: 'info' },
          secrets: ['TOKEN'],
          volumes: { '/data': 'data' },
          cpu: 0.5,
          pids: 100,
          user: 'www-data',
        },
      },
    },
    { directory: '/srv/shop', stage: null, root: true, hostMemoryBytes: 2 ** 34, wallTime: null },
  )
  assert.ok(answer.ok)
  const [web] = answer.project.services
  const sealed: Service = { ...web!, secrets: completeService(old).secrets }
  const recorded = {
    revision: asRevisionNumber(1),
    project: completeProject(oldProject),
    stoppedByHand: [],
    generations: {},
    completedJobs: {},
  }
  const desired = { ...answer.project, services: [sealed] }
  const outcome = planChanges({ desired, recorded, observed: [], isRollback: false, only: null })
  assert.ok('plan' in outcome)
  assert.deepEqual(outcome.plan.steps, [])
})

test('what a record lacks is filled in with what was true without it; what it has stays', () => {
  const { command, directory, user, ...rest } = old as RecordedService & Process
  // Keys that came since; each says in its description what was true before.
  const later = serviceSettings.fill({})
  const process = { kind: 'process', command, directory, user, source: null }
  assert.deepEqual(completeProject(oldProject), {
    name: 'shop',
    stage: null,
    balancer,
    notify: [],
    services: [
      {
        ...later,
        ...rest,
        runs: process,
        routes: [],
        stop: { ...old.stop, to: 'leader' },
        update: { ...old.update, ...updatePace },
      },
    ],
  })
  const whole = completeProject(oldProject)
  assert.equal(completeProject(whole), whole, 'a record of this version is not copied')
  const paced = { ...whole.services[0]!, update: { ...whole.services[0]!.update, drainMs: 5 } }
  assert.equal(completeService(paced), paced)
})

/** What layout 2 wrote of a container, beside the other parts of a service. */
const oldContainer = {
  image: { from: 'registry', reference: 'redis:7' },
  pull: 'always',
  registry: { username: 'me', password: { source: { from: 'environment', name: 'TOKEN' }, digest: 'd2' } },
  port: 6379,
  readOnly: true,
  capabilities: ['CHOWN'],
  network: 'bridge',
} as const

test('a container that layout 2 wrote is the same container, with null where the image has the say', () => {
  const write = (over: object): Service => completeService({ ...old, container: oldContainer, routes: [], ...over })
  const own = write({ command: [], directory: '', user: null })
  const { port, ...container } = oldContainer
  const same = { kind: 'container', ...container, containerPort: port }
  assert.deepEqual(own.runs, { ...same, command: null, directory: null, user: null })
  assert.ok(!('container' in own) && !('command' in own))
  // As layout 2 computed it; instances that run since then carry it.
  const identity =
    '["service",[],{"capabilities":["CHOWN"],"image":{"from":"registry","reference":"redis:7"},"network":"bridge","port":6379,"readOnly":true},"",' +
    '{"LOG_LEVEL":"info"},{"TOKEN":"d1"},{"kind":"auto"},[{"name":"data","target":"/data"}],{"cpuCores":0.5,"memoryBytes":null,"pids":100},null,0]'
  assert.equal(processIdentity(own, 0), identity)
  const told = write({ command: ['serve'], directory: '/app', user: '1000' }).runs
  assert.deepEqual(told, { ...same, command: ['serve'], directory: '/app', user: '1000' })
})
