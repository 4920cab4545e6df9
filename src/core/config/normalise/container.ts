/** The part of a service that only one of an image has; and what a service of an image may not have. */

import type { Container, ImageSource, PortRequest, Runs } from '../../model/service.ts'
import { containerSettings, type WrittenImage } from '../../keys/service/container.ts'
import type { ConfigContext } from '../config-context.ts'
import type { Place, ProblemList } from '../../values/problem-list.ts'
import { resolvePath } from './resolve-path.ts'
import { directoryInside, normaliseSource } from './source.ts'
import type { WrittenService } from '../../keys/service.ts'
import { quote } from '../../values/show.ts'

const containerOnly = ['pull', 'registry', 'containerPort', 'readOnly', 'capabilities', 'network'] as const

/** Why a process has none of it. */
const reasons: Readonly<Record<(typeof containerOnly)[number], string>> = {
  pull: 'only an image is pulled',
  registry: 'only an image comes from a registry',
  containerPort: "a process has this host's ports, and finds its own in PORT",
  readOnly: 'only a container has files of its own',
  capabilities: 'only of a container are they dropped; a process has those of its user',
  network: "a process has this host's network",
}

/** A process has none of the keys that are a container's. `isWhole` is false when something of the service was refused. */
export function normaliseRuns(
  written: WrittenService,
  context: ConfigContext & { readonly isWhole: boolean },
  at: Place,
  problems: ProblemList,
): Runs {
  if (written.image === undefined) {
    for (const key of containerOnly) {
      // A misspelt image explains all that stand beside it.
      if (written[key] === undefined || !context.isWhole) continue
      problems.add('E_CONFIG_CONFLICT', { up: at, key }, `${key} is for services with an image: ${reasons[key]}`, {
        allowed: `no ${key}, or an image`,
      })
    }
    const { command = [], user = null } = written
    const source = normaliseSource(written.source, context.isWhole, at, problems)
    const directory =
      source === null
        ? resolvePath(context.directory, written.directory ?? '.')
        : directoryInside(written.directory, at, problems)
    return { kind: 'process', command, source, directory, user }
  }
  if (written.source !== undefined) {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'source' }, 'an image has files of its own', {
      allowed: 'source with a command, or an image (image: { build: … } makes one of a folder)',
    })
  }
  checkOrigin(written, { image: written.image, isWhole: context.isWhole }, at, problems)
  const { containerPort: port = null, network = 'bridge', registry } = written
  if (port !== null && network !== 'bridge') {
    const why =
      network === 'host'
        ? "with this host's network nothing is published: the program listens on PORT"
        : 'without a network nothing is reached at a port'
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'containerPort' }, why, {
      allowed: "no containerPort, or network: 'bridge'",
    })
  }
  checkVolumes(written, at, problems)
  if (written.directory !== undefined && !written.directory.startsWith('/')) {
    problems.add('E_CONFIG_VALUE', { up: at, key: 'directory' }, `${quote(written.directory)} is a path of this host`, {
      allowed: "an absolute path inside the image, such as '/app'",
    })
  }
  return {
    kind: 'container',
    image: sourceOf(written.image, context.directory),
    registry:
      registry?.username === undefined || registry.password === undefined
        ? null
        : { username: registry.username, password: { source: registry.password, digest: null } },
    ...containerSettings.fill(written),
    command: written.command ?? null,
    directory: written.directory === undefined ? null : resolvePath(context.directory, written.directory),
    user: written.user ?? null,
  }
}

/** What a service of an image has as its port when nothing is said: none without a network. */
export function checkNetwork(container: Container, port: PortRequest, at: Place, problems: ProblemList): void {
  if (container.network === 'none' && port.kind !== 'none') {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'port' }, 'without a network nothing is reached at a port', {
      allowed: "port: false, or another network than 'none'",
    })
  }
  if (container.containerPort !== null && container.network === 'bridge' && port.kind === 'none') {
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'containerPort' }, 'it would be published at no port', {
      allowed: "port: 'auto', or no containerPort",
    })
  }
}

/** `pull` and `registry` are about what comes from a registry; what a build begins with may come from one, too. */
function checkOrigin(
  { pull, registry }: WrittenService,
  { image, isWhole }: { readonly image: WrittenImage; readonly isWhole: boolean },
  at: Place,
  problems: ProblemList,
): void {
  const what = image.from === 'archive' ? 'an archive' : 'a build'
  if (pull !== undefined && image.from !== 'registry') {
    const message = `${what} is not pulled: it is loaded again when its content changes`
    problems.add('E_CONFIG_CONFLICT', { up: at, key: 'pull' }, message, { allowed: 'no pull, or the reference of an image' })
  }
  if (registry === undefined) return
  const place: Place = { up: at, key: 'registry' }
  if (registry.password?.as === 'file') {
    const message = 'a password for the registry is used by the engine, which reads no file'
    problems.add('E_CONFIG_SECRET', { up: place, key: 'password' }, message, { allowed: "secret('REGISTRY_PASSWORD')" })
  }
  if (image.from === 'archive') {
    problems.add('E_CONFIG_CONFLICT', place, 'an archive comes from no registry', { allowed: 'no registry' })
  } else if (isWhole && (registry.username === undefined || registry.password === undefined)) {
    const missing = registry.username === undefined ? 'username' : 'password'
    problems.add('E_CONFIG_REQUIRED', place, `the registry has no ${missing}`, {
      allowed: "{ username: 'shop', password: secret('REGISTRY_PASSWORD') }",
    })
  }
}

/** A variable with a path of this host would mean nothing inside. */
function checkVolumes({ volumes = [] }: WrittenService, at: Place, problems: ProblemList): void {
  for (const [index, { name, target }] of volumes.entries()) {
    if (target !== null) continue
    const message = `the volume ${name} has no mount point, and a container sees no other files of this host`
    problems.add('E_CONFIG_CONFLICT', { up: { up: at, key: 'volumes' }, key: String(index) }, message, {
      allowed: `volumes: { '/data': '${name}' }`,
    })
  }
}

function sourceOf(image: WrittenImage, directory: string): ImageSource {
  if (image.from === 'archive') return { from: 'archive', path: resolvePath(directory, image.path), digest: null }
  if (image.from === 'build')
    return { from: 'build', context: resolvePath(directory, image.context), file: image.file, digest: null }
  return image
}
