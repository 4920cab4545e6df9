/**
 * The network of this state: one bridge of its own, in which the engine answers the name of a service with the addresses of its containers.
 * It is looked for at every start, because anybody may have removed it, and removed when nothing of ours has been there for a
 * while. A network is nobody's lock: two by a mistake cost an address range and no promise.
 */

import { DarumaError } from '../../ports/error.ts'
import type { Log } from '../../ports/log.ts'
import type { Engine } from './engine/engine.ts'
import type { NetworkCreate, NetworkFound } from './engine/engine-api.ts'
import { isInUse, isNameTaken, isStatus, reasonOf } from './engine/errors.ts'
import { labels } from './engine/parse.ts'

/** Like its containers' names, without a slot. */
export const networkName = (stateId: string): string => `daruma-${stateId}`

export interface NetworkOptions {
  readonly engine: Engine
  readonly stateId: string
  readonly reach: (checkpoint: string) => Promise<void>
  readonly log: Log
}

/** Made by us, made by an older daemon whose question was carried out late, removed by somebody meanwhile: no more than these. */
const maxAttempts = 3

export class Network {
  readonly #options: NetworkOptions
  readonly #name: string
  #gateway: string | null = null
  #users = 0
  /** Starts that come together ask together. */
  #ensuring: Promise<void> | null = null
  #removing: Promise<void> = Promise.resolve()
  /** A daemon begins without knowing. */
  #mayExist = true
  /** Another's container is in it, which is said once. */
  #isKept = false

  constructor(options: NetworkOptions) {
    this.#options = options
    this.#name = networkName(options.stateId)
  }

  /** What containers in it call this machine: Docker knows a word for it, Podman only the address. */
  get hostAddress(): string {
    return this.#options.engine.info?.name === 'podman' ? (this.#gateway ?? 'host-gateway') : 'host-gateway'
  }

  /** The network is there, and stays at least until `start` has ended. Rejects with `E_NETWORK_FOREIGN` or `E_NETWORK_EXHAUSTED`. */
  async during<Result>(start: () => Promise<Result>): Promise<Result> {
    this.#users += 1
    try {
      await this.#removing
      this.#ensuring ??= this.#ensure().finally(() => (this.#ensuring = null))
      await this.#ensuring
      return await start()
    } finally {
      this.#users -= 1
    }
  }

  /** To be called when no container of this state is left. One that another's container is in stays. */
  async removeUnused(): Promise<void> {
    if (this.#users > 0 || !this.#mayExist) return
    this.#removing = this.#remove().catch((error: unknown) => {
      this.#options.log.write('warn', `the network ${this.#name} could not be removed`, { error: reasonOf(error) })
    })
    await this.#removing
  }

  async #ensure(): Promise<void> {
    this.#mayExist = true
    for (let attempt = 1; ; attempt += 1) {
      const [first, ...others] = await this.#find()
      if (first !== undefined) {
        await this.#removeAll(others)
        this.#gateway = first.IPAM?.Config?.[0]?.Gateway ?? null
        return
      }
      if (attempt > maxAttempts) throw new Error(`the network ${this.#name} does not stay where it was made`)
      try {
        await this.#make()
        await this.#options.reach('container.network-made')
      } catch (error) {
        // Made by a question of an earlier daemon that the engine has only carried out now.
        if (!isNameTaken(error)) throw explain(error, this.#name)
      }
    }
  }

  /** Ours, the oldest first: the engine makes two of one name when it is asked twice in the same moment, and then knows neither by it. */
  async #find(): Promise<readonly NetworkFound[]> {
    const { engine, stateId } = this.#options
    const filters = { name: [this.#name] }
    const listed = await engine.ask('networks', (client, signal) => client.listNetworks(filters, signal), engine.limits.askMs)
    const named = listed.filter(({ Name }) => Name === this.#name)
    const foreign = named.find(({ Labels }) => Labels?.[labels.state] !== stateId)
    if (foreign !== undefined)
      throw new DarumaError('E_NETWORK_FOREIGN', `the engine has a network ${this.#name} that is not of this state`, {
        hint: `It is left alone. Find out whose it is, then: docker network rm ${this.#name}`,
      })
    return named.toSorted((a, b) => Date.parse(a.Created) - Date.parse(b.Created))
  }

  async #make(): Promise<void> {
    const { engine, stateId } = this.#options
    const options: NetworkCreate = {
      Name: this.#name,
      CheckDuplicate: true,
      Driver: 'bridge',
      Labels: { [labels.state]: stateId },
      Options: await this.#usualSize(),
    }
    await engine.ask('make a network', (client, signal) => client.createNetwork(options, signal), engine.limits.workMs)
  }

  /** Where a machine's packets must be smaller (a cloud's own network, a tunnel), people have told the engine only of its default bridge. */
  async #usualSize(): Promise<Record<string, string>> {
    const key = 'com.docker.network.driver.mtu'
    const { engine } = this.#options
    if (engine.info?.name === 'podman') return {}
    try {
      const usual = await engine.ask('network', (client, signal) => client.inspectNetwork('bridge', signal), engine.limits.askMs)
      const bytes = usual.Options?.[key]
      return bytes === undefined ? {} : { [key]: bytes }
    } catch (error) {
      if (isStatus(error, 404)) return {}
      throw error
    }
  }

  async #remove(): Promise<void> {
    if (this.#options.engine.fault !== null) return
    const found = await this.#find().catch((error: unknown) => {
      // Another's by our name is not ours to remove.
      if (error instanceof DarumaError) return []
      throw error
    })
    const inUse = await this.#removeAll(found)
    this.#mayExist = inUse !== null
    if (inUse !== null && !this.#isKept)
      this.#options.log.write('info', `the network ${this.#name} is in use, and stays`, { error: inUse })
    this.#isKept = inUse !== null
  }

  /** The engine's reason for one that is in use, or null: all are gone. */
  async #removeAll(networks: readonly NetworkFound[]): Promise<string | null> {
    const { engine } = this.#options
    let inUse: string | null = null
    for (const { Id: id } of networks) {
      // Asked by the id, Podman removes a network under the containers in it; and of its networks no two have one name.
      const which = engine.info?.name === 'podman' ? this.#name : id
      try {
        await engine.ask('remove a network', (client, signal) => client.removeNetwork(which, signal), engine.limits.workMs)
      } catch (error) {
        if (isStatus(error, 404)) continue
        if (!isInUse(error)) throw error
        inUse = reasonOf(error)
      }
    }
    return inUse
  }
}

function explain(error: unknown, name: string): unknown {
  const said = reasonOf(error)
  // "could not find an available, non-overlapping IPv4 address pool", "all predefined address pools have been fully subnetted"
  if (!/address pool|fully subnetted|no free (?:private )?(?:network )?subnet|could not find free subnet/i.test(said))
    return error
  return new DarumaError('E_NETWORK_EXHAUSTED', `the engine has no addresses left for the network ${name}: ${said}`, {
    hint: 'Remove networks that nothing uses (docker network prune), or give the engine more: default-address-pools in its daemon.json.',
    cause: error,
  })
}
