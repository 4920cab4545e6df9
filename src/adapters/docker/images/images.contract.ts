import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before } from 'node:test'

import { asServiceName } from '../../../core/model/id.ts'
import type { Container, ImageSource } from '../../../core/model/service.ts'
import { digestBuildContext, listBuildContext } from '../../../image-build/build-context.ts'
import { aContainer, ContainerBed } from '../../../../test/engine/container-bed.ts'
import { imageName } from '../container/render.ts'
import { FakeRegistry } from '../../../../test/engine/fake-registry.ts'
import type { EngineKind, TestEngine, Testing } from '../../../../test/engine/engine-kind.ts'
import { busyboxRoot } from '../../../../test/engine/lab-engine.ts'

const user = { name: 'shop', password: 'open sesame' }
const account: Container['registry'] = {
  username: user.name,
  password: { source: { from: 'environment', name: 'X' }, digest: null },
}

export function imagesContract({ name, start }: EngineKind, test: Testing): void {
  let engine!: TestEngine
  before(async () => {
    engine = await start()
  })
  after(async () => {
    await engine?.[Symbol.asyncDispose]()
  })

  /** Resolves to what was told meanwhile. */
  async function ensure(bed: ContainerBed, over: Partial<Container>, password: string | null = null): Promise<readonly string[]> {
    const told: string[] = []
    const request = { project: 'shop', service: asServiceName('web'), container: aContainer(over), password }
    await bed.connection.images.ensure(request, (message) => told.push(message))
    return told
  }

  const from = (reference: string): { readonly image: ImageSource } => ({ image: { from: 'registry', reference } })

  test('from a registry: told as it comes, found the second time, asked again where the config says always', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await using registry = await FakeRegistry.start({ address: engine.hostAddress })
    registry.push('team/web:1', { root: busyboxRoot(engine.folder) })
    const name = `${registry.host}/team/web:1`
    const told = await ensure(bed, from(name))
    assert.equal(told[0], `pulling ${name}`)
    assert.ok(told.length < 50, 'a person reads these')
    assert.match(engine.docker('images', '-q', name), /^[0-9a-f]{12}$/m)
    const asked = registry.requests.length
    assert.deepEqual(await ensure(bed, from(name)), [])
    assert.equal(registry.requests.length, asked)
    await ensure(bed, { ...from(name), pull: 'always' })
    assert.ok(registry.requests.length > asked)
    await bed.run(1, [], { runs: { ...from(name), project: 'shop' } })
    await assert.rejects(ensure(bed, { ...from(`${registry.host}/team/other:1`), pull: 'never' }), { code: 'E_IMAGE_UNKNOWN' })
  })

  for (const by of ['basic', 'token'] as const)
    test(`a private registry by ${by}: with the right password, with a wrong one, with none`, async (t) => {
      const bed = await ContainerBed.open(t, engine)
      await using registry = await FakeRegistry.start({ address: engine.hostAddress, user: { ...user, by } })
      registry.push('private/web:1', { root: busyboxRoot(engine.folder) })
      const name = `${registry.host}/private/web:1`
      await assert.rejects(ensure(bed, from(name)), { code: 'E_IMAGE_DENIED' })
      await assert.rejects(ensure(bed, { ...from(name), registry: account }, 'wrong'), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'E_IMAGE_DENIED')
        assert.doesNotMatch(error.message, /wrong/)
        return true
      })
      const told = await ensure(bed, { ...from(name), registry: account }, user.password)
      assert.doesNotMatch(told.join('\n'), /sesame/)
      assert.match(engine.docker('images', '-q', name), /^[0-9a-f]{12}$/m)
    })

  test('an image that does not exist, a registry that is away, another architecture: each has its own name', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const registry = await FakeRegistry.start({ address: engine.hostAddress })
    registry.push('team/foreign:1', {
      root: busyboxRoot(engine.folder),
      architecture: process.arch === 'arm64' ? 'amd64' : 'arm64',
    })
    const { host } = registry
    await assert.rejects(ensure(bed, from(`${host}/team/none:1`)), { code: 'E_IMAGE_UNKNOWN' })
    await assert.rejects(ensure(bed, from(`${host}/team/foreign:1`)), { code: 'E_IMAGE_ARCHITECTURE' })
    await registry[Symbol.asyncDispose]()
    await assert.rejects(ensure(bed, from(`${host}/team/web:9`)), { code: 'E_IMAGE_UNREACHABLE' })
  })

  test('from an archive, under the name of its content; what is no archive is told so', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const path = join(engine.folder, 'saved.tar')
    engine.docker('save', '-o', path, 'bb:1')
    await ensure(bed, { image: { from: 'archive', path, digest: 'abcdef0123456789' } })
    assert.match(engine.docker('images', '-q', 'daruma/shop-web:abcdef012345'), /^[0-9a-f]{12}$/m)
    assert.deepEqual(await ensure(bed, { image: { from: 'archive', path, digest: 'abcdef0123456789' } }), [])
    const broken = join(engine.folder, 'broken.tar')
    writeFileSync(broken, readFileSync(path).subarray(0, 100_000))
    await assert.rejects(ensure(bed, { image: { from: 'archive', path: broken, digest: 'b'.repeat(64) } }), {
      code: 'E_IMAGE_ARCHIVE',
    })
    await assert.rejects(ensure(bed, { image: { from: 'archive', path: '/nowhere.tar', digest: 'c'.repeat(64) } }), {
      code: 'E_IMAGE_ARCHIVE',
    })
  })

  test('from a folder: what .dockerignore names is not sent, long names and links are, and a failed step shows its words', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    const context = join(engine.folder, 'context')
    const long = 'a-rather-long-name-that-does-not-fit/'.repeat(4)
    mkdirSync(join(context, long), { recursive: true })
    cpSync(busyboxRoot(engine.folder), join(context, 'root'), { recursive: true, verbatimSymlinks: true })
    writeFileSync(join(context, long, 'file.txt'), 'x'.repeat(1000))
    writeFileSync(join(context, 'secret.env'), 'hidden')
    writeFileSync(join(context, '.dockerignore'), '*.env\n')
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM scratch\nCOPY root /\nCOPY . /all\nRUN ["/bin/sh", "-c", "echo built"]\nCMD ["sleep", "1000"]\n`,
    )
    const build = async (): Promise<ImageSource> => {
      const digest = await digestBuildContext(context, await listBuildContext(context, 'Dockerfile'))
      return { from: 'build', context, file: 'Dockerfile', digest }
    }
    const image = await build()
    await ensure(bed, { image })
    const runs = { image, project: 'shop' }
    await bed.run(1, ['sh', '-c', 'ls -a /all; cat /all/a-*/a-*/a-*/a-*/file.txt | head -c 3'], { runs })
    await bed.event('gone', 1)
    assert.match(bed.log(), /Dockerfile/)
    assert.match(bed.log(), /xxx$/)
    assert.doesNotMatch(bed.log(), /secret/)
    assert.deepEqual(await ensure(bed, { image }), [], 'the same content is not built again')

    // Removed by somebody since: the next start brings it back by itself.
    const remove = (): string => engine.docker('rmi', '-f', imageName(image, 'shop', 'web'))
    remove()
    await bed.run(2, ['true'], { runs })
    await bed.event('gone', 2)
    remove()

    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM scratch\nCOPY root /\nRUN ["/bin/sh", "-c", "echo these words >&2; exit 3"]\n',
    )
    await assert.rejects(ensure(bed, { image }), { code: 'E_IMAGE_BUILD' }, 'the folder is not what was planned')
    await assert.rejects(
      build().then((changed) => ensure(bed, { image: changed })),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'E_IMAGE_BUILD')
        assert.match(error.message, /these words/)
        return true
      },
    )
  })

  test('without an engine everything says so', async (t) => {
    const bed = await ContainerBed.open(t, engine)
    await bed.reopen({ environment: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } })
    await assert.rejects(ensure(bed, from('bb:1')), { code: 'E_ENGINE_AWAY' })
    assert.equal(await bed.connection.images.findFault(), 'there is no /nowhere/docker.sock')
    assert.equal(await bed.connection.images.examine(), null)
    await bed.reopen({ environment: { DOCKER_HOST: 'tcp://10.0.0.1:2375' } })
    assert.match((await bed.connection.images.findFault()) ?? '', /only a socket of this machine/)
    await bed.reopen()
    const facts = await bed.connection.images.examine()
    assert.deepEqual(
      [facts?.name, facts?.storage, facts?.liveRestore],
      name === 'docker' ? ['docker', 'overlay2', false] : ['podman', 'overlay', null],
    )
  })
}
