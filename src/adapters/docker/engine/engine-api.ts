/** The Engine API's own words, as far as we say or read them; what an engine tells of containers and of itself stands where it is parsed. */

/** `POST /containers/create`: the name goes into the query, the rest is the body. */
export interface ContainerCreate {
  readonly name: string
  readonly Image: string
  readonly Cmd?: readonly string[]
  readonly WorkingDir?: string
  readonly User?: string
  readonly Env: readonly string[]
  readonly Labels: Readonly<Record<string, string>>
  readonly Healthcheck: { readonly Test: readonly string[] }
  readonly Tty: boolean
  readonly OpenStdin: boolean
  readonly AttachStdin: boolean
  readonly AttachStdout: boolean
  readonly AttachStderr: boolean
  readonly ExposedPorts?: Readonly<Record<string, object>>
  readonly HostConfig: HostConfig
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, { readonly Aliases: readonly string[] }>> }
}

export interface HostConfig {
  readonly RestartPolicy: { readonly Name: 'no' }
  readonly AutoRemove: boolean
  readonly NetworkMode: string
  readonly PortBindings?: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>
  readonly ExtraHosts?: readonly string[]
  readonly Mounts: readonly {
    readonly Type: 'bind'
    readonly Source: string
    readonly Target: string
    readonly ReadOnly?: true
  }[]
  readonly LogConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> }
  readonly Init: boolean
  readonly CapDrop?: readonly string[]
  readonly CapAdd?: readonly string[]
  readonly SecurityOpt?: readonly string[]
  readonly ReadonlyRootfs?: boolean
  readonly Tmpfs?: Readonly<Record<string, string>>
  readonly NanoCpus?: number
  readonly Memory?: number
  readonly MemorySwap?: number
  readonly PidsLimit?: number
  readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[]
}

export interface ListedContainer {
  readonly Id: string
  readonly State: string
  readonly Labels?: Readonly<Record<string, string>> | null
}

export interface RawImage {
  readonly Os: string
  readonly Architecture: string
}

export interface NetworkCreate {
  readonly Name: string
  readonly CheckDuplicate: boolean
  readonly Driver: string
  readonly Labels: Readonly<Record<string, string>>
  readonly Options: Readonly<Record<string, string>>
}

export interface NetworkFound {
  readonly Id: string
  readonly Name: string
  readonly Created: string
  readonly Labels?: Readonly<Record<string, string>> | null
  readonly Options?: Readonly<Record<string, string>> | null
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] | null }
}
