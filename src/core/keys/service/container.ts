/**
 * The keys that a service of an image has and a process has not. They stand beside the other keys of a service; without an image
 * each is refused with its reason, by the normaliser.
 */

import { wholeNumber } from '../../values/amounts.ts'
import { nearest } from '../../values/nearest.ts'
import { boolean, oneOf, showText, text } from '../../values/scalars.ts'
import { anyText, exactly, listOf, objectOf, orNull, type Shape, unionBy } from '../../values/shape.ts'
import { kindOf, quote } from '../../values/show.ts'
import { isPlainObject, readItems, type Reader, refuseType, refuseValue, valueType } from '../../values/value-type.ts'
import { type Field, type Group, group, objectBy, type WrittenKeys, type WrittenOf } from '../key.ts'
import { type SecretReference, type SecretSource, secretSource, secretShape, showSource } from './secret.ts'

/** Where an image comes from. `digest` is of the content, so that a change is seen: null until the file or folder has been read. */
export type ImageSource =
  | { readonly from: 'registry'; readonly reference: string }
  | { readonly from: 'archive'; readonly path: string; readonly digest: string | null }
  | { readonly from: 'build'; readonly context: string; readonly file: string; readonly digest: string | null }

/** What only a container has, and is recorded as it is written: a row of {@link containerSettings} each. */
export interface ContainerSettings {
  readonly pull: 'missing' | 'always' | 'never'
  /** The port that the program listens on inside; null: the one in `PORT`. It is published at the slot's own port, on loopback. */
  readonly containerPort: number | null
  readonly readOnly: boolean
  /** What is given back of the capabilities, all of which are dropped: `CHOWN`, `NET_BIND_SERVICE`. */
  readonly capabilities: readonly string[]
  readonly network: 'bridge' | 'host' | 'none'
}

/** The credentials for a private registry. */
export interface Registry {
  readonly username: string
  readonly password: SecretReference
}

/** Paths as written: they become absolute, and are looked into, afterwards. */
export type WrittenImage =
  | { readonly from: 'registry'; readonly reference: string }
  | { readonly from: 'archive'; readonly path: string }
  | { readonly from: 'build'; readonly context: string; readonly file: string }

export interface WrittenRegistry {
  readonly username?: string
  readonly password?: SecretSource
}

export interface WrittenContainer extends WrittenOf<ContainerSettings> {
  readonly image?: WrittenImage
  readonly registry?: WrittenRegistry
}

interface WrittenImageObject {
  readonly archive?: string
  readonly build?: string
  readonly file?: string
}

const path = text('a path, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ })

export const imageKeys: WrittenKeys<WrittenImageObject> = {
  archive: {
    type: path,
    defaultWords: 'none',
    prose: 'A file made by `docker save`, or an OCI layout in a tar file; it is loaded where the image is needed.',
    example: "'./web-image.tar'",
  },
  build: {
    type: path,
    defaultWords: 'none',
    prose:
      'A folder that the image is built from; it is built again when a file in it changes that `.dockerignore` does not name.',
    example: "'./web'",
  },
  file: {
    type: text('a path inside the folder that is built, such as Dockerfile', {
      longest: 1024,
      pattern: /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\n]+$/,
    }),
    defaultWords: "`'Dockerfile'`",
    prose: 'The Dockerfile, from the folder that is built.',
    example: "'Dockerfile.production'",
  },
}

const imageObject = objectBy('image', imageKeys)

/**
 * The grammar of references (distribution/reference, `reference.go`): an optional registry, which has a dot or a port or is `localhost`,
 * a path in lower case, an optional tag and an optional digest.
 */
const registryHost = '(?:(?:[a-zA-Z0-9-]+(?:\\.[a-zA-Z0-9-]+)+|localhost|[a-zA-Z0-9-]+(?=:\\d))(?::\\d{1,5})?\\/)?'
const repository = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*'
const tagAndDigest = '(?::\\w[\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?'
const reference = new RegExp(`^${registryHost}${repository}${tagAndDigest}$`)
const longestReference = 400

const imageNoun = "a reference such as 'docker.io/library/redis:7', { archive: './image.tar' } or { build: './folder' }"

const image: Reader<WrittenImage> = {
  accepts: imageNoun,
  read(value, at, problems) {
    if (typeof value === 'string') {
      if (value.length <= longestReference && reference.test(value)) return { from: 'registry', reference: value }
      return refuseValue(value, imageNoun, at, problems, likelyImage(value))
    }
    if (!isPlainObject(value)) return refuseType(value, imageNoun, at, problems)
    const before = problems.count
    const written = imageObject.read(value, at, problems)
    if (written === undefined || problems.count > before) return undefined
    const { archive, build, file } = written
    if (archive !== undefined && build === undefined && file === undefined) return { from: 'archive', path: archive }
    if (build !== undefined && archive === undefined) return { from: 'build', context: build, file: file ?? 'Dockerfile' }
    const both = archive !== undefined && build !== undefined
    const message = both
      ? 'archive and build stand side by side'
      : archive === undefined
        ? 'nothing says where the image is'
        : 'file is the Dockerfile of a build'
    problems.add(archive === undefined ? 'E_CONFIG_REQUIRED' : 'E_CONFIG_CONFLICT', at, message, {
      allowed: 'exactly one of archive, build; file only with build',
    })
    return undefined
  },
}

/** A path is an archive or a folder; a reference in capitals or with a scheme is meant without them. */
function likelyImage(value: string): string | null {
  if (/^\.{0,2}\/.*\.tar$/.test(value)) return `{ archive: ${quote(value)} }`
  if (/^\.{0,2}\/|^\.$/.test(value)) return `{ build: ${quote(value)} }`
  const tidy = value.trim().replace(/^(?:docker|https?):\/\//, '')
  if (reference.test(tidy)) return quote(tidy)
  const cut = Math.max(tidy.lastIndexOf(':'), tidy.lastIndexOf('/'))
  const lower =
    tidy.lastIndexOf(':') > tidy.lastIndexOf('/') ? tidy.slice(0, cut).toLowerCase() + tidy.slice(cut) : tidy.toLowerCase()
  return tidy.length <= longestReference && reference.test(lower) ? quote(lower) : null
}

/** What is written here may be a password, or have one in it: it is never repeated. */
const username: Reader<string> = {
  accepts: 'the name of a user, without a password',
  read(value, at, problems) {
    if (typeof value === 'string' && /^[^\n:]{1,256}$/.test(value)) return value
    const message = `${kindOf(value)} is not accepted here${typeof value === 'string' ? ' as it is written' : ''}`
    problems.add('E_CONFIG_SECRET', at, message, { allowed: this.accepts })
    return undefined
  },
}

export const registryKeys: WrittenKeys<WrittenRegistry> = {
  username: {
    type: username,
    prose: 'The user name at the registry.',
    example: "'shop'",
  },
  password: {
    type: secretSource,
    prose: 'The password or token, named and not written.',
    example: "secret('REGISTRY_PASSWORD')",
  },
}

/** capabilities(7), as of Linux 6.12. */
const capabilityNames = [
  'AUDIT_CONTROL',
  'AUDIT_READ',
  'AUDIT_WRITE',
  'BLOCK_SUSPEND',
  'BPF',
  'CHECKPOINT_RESTORE',
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'IPC_LOCK',
  'IPC_OWNER',
  'KILL',
  'LEASE',
  'LINUX_IMMUTABLE',
  'MAC_ADMIN',
  'MAC_OVERRIDE',
  'MKNOD',
  'NET_ADMIN',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_RAW',
  'PERFMON',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYSLOG',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_CHROOT',
  'SYS_MODULE',
  'SYS_NICE',
  'SYS_PACCT',
  'SYS_PTRACE',
  'SYS_RAWIO',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'WAKE_ALARM',
] as const

const capability: Reader<string> = {
  accepts: "the name of a capability such as 'NET_BIND_SERVICE' (capabilities(7), without CAP_)",
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    const known = capabilityNames.find((name) => name === value)
    if (known !== undefined) return known
    const near = nearest(value.toUpperCase().replace(/^CAP_/, ''), capabilityNames)
    return refuseValue(value, this.accepts, at, problems, near === null ? null : quote(near))
  },
}

const capabilities: Reader<readonly string[]> = {
  accepts: "an array of capabilities such as ['NET_BIND_SERVICE']",
  read(value, at, problems) {
    if (!Array.isArray(value)) {
      return refuseType(value, this.accepts, at, problems, typeof value === 'string' ? `[${quote(value)}]` : null)
    }
    const names = readItems(value.slice(0, 100), at, problems, capability)
    return names === undefined ? undefined : [...new Set(names)].toSorted()
  },
}

const registryObject = objectBy('registry', registryKeys)

const registry: Reader<WrittenRegistry> = {
  accepts: registryObject.accepts,
  read(value, at, problems) {
    if (isPlainObject(value)) return registryObject.read(value, at, problems)
    const allowed = "{ username: 'shop', password: secret('REGISTRY_PASSWORD') }"
    problems.add('E_CONFIG_SECRET', at, `${kindOf(value)} is not accepted here`, { allowed })
    return undefined
  },
}

export const containerSettings: Group<ContainerSettings> = group<ContainerSettings>('container', {
  pull: {
    type: oneOf(['missing', 'always', 'never'], {
      if_not_present: 'missing',
      IfNotPresent: 'missing',
      Always: 'always',
      Never: 'never',
      daily: 'always',
    }),
    default: 'missing',
    prose: 'When the image is pulled: if it is not here, with each change of the service, or never.',
    example: "'always'",
  },
  containerPort: {
    type: wholeNumber({ from: 1, to: 65_535 }),
    default: null,
    defaultWords: 'the port in `PORT`',
    restarts: 'always',
    prose:
      "The port that the image's program listens on, where it does not ask `PORT`. It is published at the service's port, on this host's loopback.",
    example: '6379',
  },
  readOnly: {
    type: boolean,
    default: false,
    restarts: 'always',
    prose: "Whether the container's files cannot be written; volumes, `/tmp` and `/run` can.",
    example: 'true',
  },
  capabilities: {
    type: valueType(capabilities, {
      shape: listOf(anyText),
      show: (names) => (names.length === 0 ? null : names.join(', ')),
      write: (names) => JSON.stringify(names),
    }),
    default: [],
    restarts: 'always',
    prose: 'Capabilities given back to the container, which has none otherwise.',
    example: "['NET_BIND_SERVICE']",
  },
  network: {
    type: oneOf(['bridge', 'host', 'none'], { default: 'bridge', false: 'none' }),
    default: 'bridge',
    restarts: 'always',
    prose:
      "Which network the container is in: that of the project's containers, who find each other by the names of their services; this host's; or none.",
    example: "'host'",
  },
})

const { pull, ...furtherSettings } = containerSettings.keys

export const containerKeys: WrittenKeys<WrittenContainer> = {
  image: {
    type: image,
    defaultWords: 'none: the command is a process of this host',
    prose: 'The container image that is run: a reference in a registry, an archive or a folder to build. Needs Docker or Podman.',
    example: "'docker.io/library/redis:7'",
  },
  pull,
  registry: {
    type: registry,
    defaultWords: 'none: pulled without a name',
    prose: 'The credentials for a private registry.',
    example: "{ username: 'shop', password: secret('REGISTRY_PASSWORD') }",
  },
  ...furtherSettings,
}

type Of<From extends ImageSource['from']> = Extract<ImageSource, { readonly from: From }>

export const imageShape: Shape<ImageSource> = unionBy<ImageSource>('from', {
  registry: objectOf<Of<'registry'>>({ from: exactly('registry'), reference: anyText }),
  archive: objectOf<Of<'archive'>>({ from: exactly('archive'), path: anyText, digest: orNull(anyText) }),
  build: objectOf<Of<'build'>>({ from: exactly('build'), context: anyText, file: anyText, digest: orNull(anyText) }),
})

export const registryShape: Shape<Registry | null> = orNull(objectOf<Registry>({ username: anyText, password: secretShape }))

export const registryFields = (value: Registry | null): readonly Field[] => [
  ['registry.username', value === null ? null : showText(value.username)],
  ['registry.password', value === null ? null : showSource(value.password.source)],
]

/** The digest comes before the paths, which are long and the same: what differs must be seen. */
export function showImage(source: ImageSource): string {
  if (source.from === 'registry') return source.reference
  const digest = source.digest === null ? '' : ` ${source.digest.slice(0, 12)}`
  if (source.from === 'archive') return `archive${digest} ${showText(source.path)}`
  return `build${digest} of ${showText(source.context)} by ${showText(source.file)}`
}
