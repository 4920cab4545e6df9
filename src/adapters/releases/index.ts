/**
 * The {@link Releases} of this host. What takes long is done by a worker thread, which is started when it is needed and ends when
 * it has been idle for a while: a daemon that only keeps things running pays nothing for it.
 */

import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { parseManifest } from '../../core/release/manifest.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Releases } from '../../ports/runtime/releases.ts'
import { layoutOf, treeKey } from './layout.ts'
import type { FromWorker, TaskKind, Tasks, ToWorker } from './messages.ts'
import type { Owner } from './tree.ts'

const idleMs = 10_000
/** On its way to the worker: what comes faster than the disk takes it waits in the socket. */
const mostUnderWay = 16

export interface ReleasesOptions {
  /** `<state>/releases`. */
  readonly directory: string
  /** Null where there is no such user. */
  readonly lookUpUser: (user: string) => Promise<Owner | null>
}

export function createReleases(options: ReleasesOptions): Releases {
  const hands = new Hands(options.directory)
  const layout = layoutOf(options.directory)
  let receiving: Promise<void> = Promise.resolve()
  return {
    async unknown(digests) {
      const isHere = await Promise.all(digests.map((digest) => exists(join(layout.manifests, digest))))
      return digests.filter((_digest, index) => isHere[index] === false)
    },
    begin: (text) => hands.ask('begin', text),
    receive(stream) {
      // One after the other: the worker has one stream open.
      const turn = receiving.catch(() => undefined).then(() => receive(hands, stream))
      receiving = turn
      return turn
    },
    seal: async (digest) => void (await hands.ask('seal', digest)),
    async manifest(digest) {
      const text = await hands.ask('manifest', digest)
      const parsed = text === null ? null : parseManifest(text)
      return parsed !== null && 'manifest' in parsed ? parsed.manifest : null
    },
    content: (sha256, mostBytes) => hands.ask('content', { sha256, mostBytes }),
    async find(request) {
      const key = treeKey(request)
      const root = join(layout.trees, key)
      return (await exists(join(layout.sealed, key))) && (await exists(root)) ? root : null
    },
    makeTree: (request) => hands.ask('makeTree', request),
    async prepareBuild(request, user) {
      const owner = user === null ? null : await options.lookUpUser(user)
      if (user !== null && owner === null) throw new DarumaError('E_RELEASE_BUILD', `There is no user "${user}" to build as.`)
      return hands.ask('prepareBuild', { request, owner })
    },
    sealBuild: async (request) => void (await hands.ask('sealBuild', request)),
    dropBuild: async (request) => void (await hands.ask('dropBuild', request)),
    async collect(used) {
      // Most projects have none, and no worker is started for them.
      const isUsed = await exists(layout.incoming)
      return isUsed ? hands.ask('collect', used) : { trees: 0, contents: 0 }
    },
    close: () => hands.close(),
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function receive(hands: Hands, stream: AsyncIterable<Uint8Array>): Promise<void> {
  await hands.ask('open', null)
  const underWay = new Set<Promise<unknown>>()
  const failures: unknown[] = []
  try {
    for await (const part of stream) {
      if (failures.length > 0) throw failures[0]
      const sent: Promise<unknown> = hands
        .ask('part', new Uint8Array(part))
        .catch((error: unknown) => failures.push(error))
        .finally(() => underWay.delete(sent))
      underWay.add(sent)
      if (underWay.size >= mostUnderWay) await Promise.race(underWay)
    }
    await Promise.all(underWay)
    if (failures.length > 0) throw failures[0]
    await hands.ask('close', null)
  } catch (error) {
    await Promise.all(underWay)
    await hands.ask('abandon', null).catch(() => undefined)
    throw error
  }
}

type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void }

/** The worker as a function. It answers in the order in which it was asked. */
class Hands {
  readonly #directory: string
  #worker: Worker | null = null
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0
  #workers = 0
  #idle: NodeJS.Timeout | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  ask<Kind extends TaskKind>(kind: Kind, given: Tasks[Kind]['given']): Promise<Tasks[Kind]['answer']> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const id = (this.#asked += 1)
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#waiting.set(id, { resolve, reject })
    const message = { id, task: { kind, given } } as ToWorker
    this.#worker ??= this.#start()
    this.#worker.postMessage(message, given instanceof Uint8Array ? [given.buffer as ArrayBuffer] : [])
    return promise as Promise<Tasks[Kind]['answer']>
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
      name: 'releases',
      workerData: { directory: this.#directory, isFirst: this.#workers === 0 },
      execArgv: [],
      // A manifest of the largest release, parsed, is some 200 MB; the limit is only a fuse.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 2048 },
    })
    this.#workers += 1
    worker.on('message', (message: FromWorker) => this.#take(message))
    worker.on('error', (error) => this.#lose(worker, String(error)))
    worker.on('exit', () => this.#lose(worker, 'it ended'))
    worker.unref()
    return worker
  }

  #take({ id, answer, failure }: FromWorker): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (failure === undefined) waiting?.resolve(answer)
    else waiting?.reject(new DarumaError(failure.code, failure.message, failure.hint === null ? {} : { hint: failure.hint }))
    if (this.#waiting.size > 0) return
    this.#idle = setTimeout(() => void this.close(), idleMs)
    this.#idle.unref()
  }

  /** Whatever was asked of it is not known to be done; the next task gets another worker, which tidies up first. */
  #lose(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = null
    for (const { reject } of this.#waiting.values())
      reject(new DarumaError('E_RELEASE_STORE', `The store of releases failed: ${why}.`))
    this.#waiting.clear()
  }

  async close(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle)
    const worker = this.#worker
    this.#worker = null
    if (worker === null) return
    // What is under way is cut off at a moment that the next one can go on from, like a kill.
    for (const { reject } of this.#waiting.values()) reject(new DarumaError('E_RELEASE_STORE', 'The daemon is ending.'))
    this.#waiting.clear()
    await worker.terminate()
  }
}
