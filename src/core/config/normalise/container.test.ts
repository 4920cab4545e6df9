import assert from 'node:assert/strict'
import test from 'node:test'
import { refusalsOf, serviceOf } from '../../../../test/support/config-bed.ts'
import type { Container } from '../../model/service.ts'

const plain: Container = {
  kind: 'container',
  image: { from: 'registry', reference: 'redis:7' },
  pull: 'missing',
  registry: null,
  containerPort: null,
  readOnly: false,
  capabilities: [],
  network: 'bridge',
  command: null,
  directory: null,
  user: null,
}

const imageOf = (written: Readonly<Record<string, unknown>>): unknown => {
  const { runs } = serviceOf(written)
  return runs.kind === 'container' ? runs.image : null
}

test('an image alone is enough: its own command, directory and user, and a port published for PORT', () => {
  const { runs, port, scale } = serviceOf({ image: 'redis:7' })
  assert.deepEqual({ runs, port, scale }, { runs: plain, port: { kind: 'auto' }, scale: { kind: 'replicas', count: 1 } })
})

test('every key of an image at its fullest reaches the normal form, without root', () => {
  const service = serviceOf(
    {
      image: 'images.example.com:5000/team/app:1.2@sha256:' + 'a'.repeat(64),
      command: ['serve', '--fast'],
      singleton: true,
      pull: 'always',
      registry: { username: 'shop', password: { from: 'environment', name: 'REGISTRY_PASSWORD' } },
      containerPort: 6379,
      readOnly: true,
      capabilities: ['SETUID', 'NET_BIND_SERVICE', 'SETUID'],
      directory: '/app/./data',
      user: '1000:staff',
      volumes: { '/data': 'cache' },
      cpu: 0.5,
      memory: '64MiB',
      pids: 20,
      health: { exec: ['redis-cli', 'ping'] },
    },
    { root: false },
  )
  const { runs, volumes, limits, health } = service
  assert.deepEqual(
    { runs, volumes, limits, check: health.readiness?.check },
    {
      runs: {
        kind: 'container',
        image: { from: 'registry', reference: 'images.example.com:5000/team/app:1.2@sha256:' + 'a'.repeat(64) },
        pull: 'always',
        registry: {
          username: 'shop',
          password: { source: { from: 'environment', name: 'REGISTRY_PASSWORD' }, digest: null },
        },
        containerPort: 6379,
        readOnly: true,
        capabilities: ['NET_BIND_SERVICE', 'SETUID'],
        network: 'bridge',
        command: ['serve', '--fast'],
        directory: '/app/data',
        user: '1000:staff',
      },
      volumes: [{ name: 'cache', target: '/data' }],
      limits: { cpuCores: 0.5, memoryBytes: 67_108_864, pids: 20 },
      check: { kind: 'exec', command: ['redis-cli', 'ping'] },
    },
  )
})

test('an archive and a folder to build become absolute, their digests are for whoever reads them', () => {
  const sourceOf = (image: unknown): unknown => imageOf({ image })
  assert.deepEqual(sourceOf({ archive: './app.tar' }), { from: 'archive', path: '/srv/shop/app.tar', digest: null })
  assert.deepEqual(sourceOf({ build: '../web' }), { from: 'build', context: '/srv/web', file: 'Dockerfile', digest: null })
  assert.deepEqual(sourceOf({ build: '/x', file: 'docker/Dockerfile.web' }), {
    from: 'build',
    context: '/x',
    file: 'docker/Dockerfile.web',
    digest: null,
  })
})

test('an image can be replicas, a singleton, a job and a schedule', () => {
  const kindOf = (kind: object): string => serviceOf({ image: 'redis:7', ...kind }).scale.kind
  assert.deepEqual([{}, { replicas: 2 }, { singleton: true }, { job: true }, { schedule: '@daily' }].map(kindOf), [
    'replicas',
    'replicas',
    'singleton',
    'job',
    'schedule',
  ])
})

test('references as Docker writes them are taken, and others are not', () => {
  const right = [
    'redis',
    'redis:7',
    'library/redis',
    'docker.io/library/redis:7.4-alpine',
    'localhost/app',
    'localhost:5000/app:latest',
    'ghcr.io/a/b/c_d-e.f:v1',
    'host:5000/app',
  ]
  for (const image of right) assert.deepEqual(imageOf({ image }), { from: 'registry', reference: image })
  const wrong: Readonly<Record<string, string | null>> = {
    'Redis:7': "'redis:7'",
    'docker://redis:7': "'redis:7'",
    ' redis': "'redis'",
    'GHCR.io/Team/App:Beta': "'ghcr.io/team/app:Beta'",
    './app.tar': "{ archive: './app.tar' }",
    './web': "{ build: './web' }",
    'redis:': null,
    'redis@sha256:abc': null,
    'a//b': null,
    '-x': null,
    '': null,
  }
  for (const [image, suggestion] of Object.entries(wrong)) {
    const [line = '', ...more] = refusalsOf({ services: { web: { image } } })
    assert.deepEqual(more, [])
    assert.match(line, /^E_CONFIG_VALUE web\.image: .* is not accepted here \| a reference such as/)
    assert.ok(line.endsWith(`| ${suggestion}`), line)
  }
})

test('a probe of the container port asks where that is published; no other port of a container is reached', () => {
  const image = { image: 'nginx', containerPort: 80 }
  const checkOf = (health: unknown): unknown => serviceOf({ ...image, health }).health.liveness?.check
  assert.deepEqual(checkOf({ http: { path: '/', port: 80 } }), { kind: 'http', path: '/', port: null, host: null })
  assert.deepEqual(checkOf({ tcp: 80 }), { kind: 'tcp', port: null })
  assert.deepEqual(refusalsOf({ services: { web: { ...image, health: { tcp: 9090 } } } }), [
    'E_CONFIG_CONFLICT web.health.tcp: port 9090 of the container is not reached from this host | no port (containerPort 80 is asked), or exec | null',
  ])
  const onHost = serviceOf({ image: 'nginx', network: 'host', health: { tcp: 9090 } })
  assert.deepEqual(onHost.health.readiness?.check, { kind: 'tcp', port: 9090 })
})

test('without a network there is no port, and nothing that needs one', () => {
  assert.deepEqual(serviceOf({ image: 'x', network: 'none' }).port, { kind: 'none' })
  assert.deepEqual(refusalsOf({ services: { web: { image: 'x', network: 'none', port: 8080, route: 80 } } }), [
    "E_CONFIG_CONFLICT web.port: without a network nothing is reached at a port | port: false, or another network than 'none' | null",
  ])
  assert.deepEqual(refusalsOf({ services: { web: { image: 'x', network: 'none', route: 80 } } }), [
    "E_CONFIG_CONFLICT web.route: the service has no port that requests could go to | port: 'auto', or no route | null",
  ])
})

const bad: Readonly<Record<string, readonly [object, ...string[]]>> = {
  'keys of a container without an image': [
    { command: 'x', pull: 'always', readOnly: true, containerPort: 80, capabilities: [], network: 'host' },
    'E_CONFIG_CONFLICT web.pull: pull is for services with an image: only an image is pulled | no pull, or an image | null',
    "E_CONFIG_CONFLICT web.containerPort: containerPort is for services with an image: a process has this host's ports, and finds its own in PORT | no containerPort, or an image | null",
    'E_CONFIG_CONFLICT web.readOnly: readOnly is for services with an image: only a container has files of its own | no readOnly, or an image | null',
    'E_CONFIG_CONFLICT web.capabilities: capabilities is for services with an image: only of a container are they dropped; a process has those of its user | no capabilities, or an image | null',
    "E_CONFIG_CONFLICT web.network: network is for services with an image: a process has this host's network | no network, or an image | null",
  ],
  'a misspelt image explains what stands beside it': [
    { imgae: 'redis', pull: 'always' },
    'E_CONFIG_UNKNOWN_KEY web.imgae: imgae is not a known key | null | image',
  ],
  'an archive and a folder': [
    { image: { archive: './a', build: './b' } },
    'E_CONFIG_CONFLICT web.image: archive and build stand side by side | exactly one of archive, build; file only with build | null',
  ],
  'an object that says nothing': [
    { image: {} },
    'E_CONFIG_REQUIRED web.image: nothing says where the image is | exactly one of archive, build; file only with build | null',
  ],
  'a Dockerfile of an archive': [
    { image: { archive: './a', file: 'Dockerfile' } },
    'E_CONFIG_CONFLICT web.image: file is the Dockerfile of a build | exactly one of archive, build; file only with build | null',
  ],
  'a Dockerfile outside the folder': [
    { image: { build: '.', file: '../Dockerfile' } },
    "E_CONFIG_VALUE web.image.file: '../Dockerfile' is not accepted here | a path inside the folder that is built, such as Dockerfile | null",
  ],
  'a pull of what is not pulled': [
    { image: { archive: './a' }, pull: 'always', registry: { username: 'x', password: { from: 'environment', name: 'X' } } },
    'E_CONFIG_CONFLICT web.pull: an archive is not pulled: it is loaded again when its content changes | no pull, or the reference of an image | null',
    'E_CONFIG_CONFLICT web.registry: an archive comes from no registry | no registry | null',
  ],
  'a registry without a password': [
    { image: 'x', registry: { username: 'me' } },
    "E_CONFIG_REQUIRED web.registry: the registry has no password | { username: 'shop', password: secret('REGISTRY_PASSWORD') } | null",
  ],
  'a password that is written out, which is not repeated': [
    { image: 'x', registry: { username: 'me', password: 'hunter2' } },
    "E_CONFIG_SECRET web.registry.password: a string is not a secret: secrets are named, never written | secret('NAME'), secret.file('path') or secret.command(['program', 'argument']) | null",
  ],
  'a registry in which a password may be written, which is not repeated': [
    { image: 'x', registry: 'me:hunter2' },
    "E_CONFIG_SECRET web.registry: a string is not accepted here | { username: 'shop', password: secret('REGISTRY_PASSWORD') } | null",
  ],
  'a password beside the name of the user, which is not repeated': [
    { image: 'x', registry: { username: 'me:hunter2', password: { from: 'environment', name: 'X' } } },
    'E_CONFIG_SECRET web.registry.username: a string is not accepted here as it is written | the name of a user, without a password | null',
  ],
  'a capability by its long name, and one that does not exist': [
    { image: 'x', capabilities: ['CAP_NET_ADMIN', 'FLY'] },
    "E_CONFIG_VALUE web.capabilities.0: 'CAP_NET_ADMIN' is not accepted here | the name of a capability such as 'NET_BIND_SERVICE' (capabilities(7), without CAP_) | 'NET_ADMIN'",
    "E_CONFIG_VALUE web.capabilities.1: 'FLY' is not accepted here | the name of a capability such as 'NET_BIND_SERVICE' (capabilities(7), without CAP_) | null",
  ],
  'a volume that only a process could find': [
    { image: 'x', volumes: ['data'] },
    "E_CONFIG_CONFLICT web.volumes.0: the volume data has no mount point, and a container sees no other files of this host | volumes: { '/data': 'data' } | null",
  ],
  'a directory of this host': [
    { image: 'x', directory: './web' },
    "E_CONFIG_VALUE web.directory: './web' is a path of this host | an absolute path inside the image, such as '/app' | null",
  ],
  "a container port on this host's network, and one that is published nowhere": [
    { image: 'x', containerPort: 80, network: 'host' },
    "E_CONFIG_CONFLICT web.containerPort: with this host's network nothing is published: the program listens on PORT | no containerPort, or network: 'bridge' | null",
  ],
  'a container port and no port': [
    { image: 'x', containerPort: 80, port: false },
    "E_CONFIG_CONFLICT web.containerPort: it would be published at no port | port: 'auto', or no containerPort | null",
  ],
  'a group of a process': [
    { command: 'x', user: 'www:staff' },
    "E_CONFIG_CONFLICT web.user: a group beside the user is for services with an image | a user; its own group goes with it | 'www'",
  ],
}

for (const [name, [web, ...lines]] of Object.entries(bad)) {
  test(`refused: ${name}`, () => assert.deepEqual(refusalsOf({ services: { web } }), lines))
}
