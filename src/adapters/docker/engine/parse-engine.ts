/** What an engine says of itself, in our words: pure. */

import type { EngineFacts } from '../../../ports/runtime/images.ts'

export interface EngineInfo extends EngineFacts {
  /** Names this engine's own storage: another one knows nothing of our containers. */
  readonly identity: string
  readonly hasInit: boolean
  readonly architecture: string
}

export function parseEngine(info: RawInfo, version: RawVersion, socket: string): EngineInfo {
  const isPodman = version.Components?.some(({ Name }) => /podman/i.test(Name)) ?? false
  const initCommit = info.InitCommit?.ID ?? ''
  return {
    name: isPodman ? 'podman' : 'docker',
    version: version.Version,
    socket,
    storage: info.Driver,
    cgroups: `${info.CgroupDriver ?? 'unknown'}, version ${info.CgroupVersion ?? '1'}`,
    liveRestore: isPodman ? null : (info.LiveRestoreEnabled ?? false),
    // Podman draws a new id for each answer.
    identity: `${isPodman ? 'podman' : info.ID} ${info.DockerRootDir}`,
    hasInit: !isPodman && (info.InitBinary ?? '') !== '' && initCommit !== 'N/A',
    architecture: normaliseArchitecture(info.Architecture),
  }
}

/** What `uname` calls them, in the words that images use (GOARCH). */
function normaliseArchitecture(name: string): string {
  const names: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm', armv6l: 'arm', i686: '386' }
  return names[name] ?? name
}

export interface RawInfo {
  readonly ID: string
  readonly Driver: string
  readonly CgroupDriver?: string
  readonly CgroupVersion?: string
  readonly LiveRestoreEnabled?: boolean
  readonly InitBinary?: string
  readonly InitCommit?: { readonly ID?: string }
  readonly Architecture: string
  readonly DockerRootDir: string
}

export interface RawVersion {
  readonly Version: string
  readonly Components?: readonly { readonly Name: string }[]
}
