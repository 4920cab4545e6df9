/**
 * Brings images here: pulled with progress, loaded from an archive, or built from a folder. Progress is told as sentences, a few a
 * second at most. The engine's own streams say "error" in their last line and end with success: the line is what counts.
 */

import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

import type { ImageSource } from '../../../core/model/service.ts'
import { digestBuildContext, listBuildContext } from '../../../image-build/build-context.ts'
import { DarumaError } from '../../../ports/error.ts'
import { type EngineFacts, type ImageRequest, type Images, engineAway } from '../../../ports/runtime/images.ts'
import type { EngineClient } from '../engine/client.ts'
import type { Engine } from '../engine/engine.ts'
import type { RawImage } from '../engine/engine-api.ts'
import { EngineSilent, explainPull, isStatus, reasonOf } from '../engine/errors.ts'
import { type Progress, ProgressReporter } from './image-progress.ts'
import { packContext } from './pack-context.ts'
import { LineSplitter } from '../engine/parse.ts'
import { registryOf, registryOfBuild } from './registry-host.ts'
import { imageName } from '../container/render.ts'

/** A registry that says nothing for so long is away; a large layer says something all the time. */
const silenceLimitMs = 60_000
/** `plan` and `doctor` may ask many times; the engine is asked once a second. */
const faultAgeMs = 1000

type Report = (message: string) => void

export function createImages(engine: Engine): Images {
  let known: { readonly at: number; readonly fault: string | null } | null = null
  /** By image: two services of one image bring it here once. */
  const underWay = new Map<string, Promise<void>>()

  return {
    async ensure(request, onProgress) {
      const name = imageName(request.container.image, request.project, request.service)
      const other = underWay.get(name)
      if (other !== undefined) return other
      const work = ensureOne(engine, request, name, new ProgressReporter(onProgress)).catch((error: unknown) => {
        if (error instanceof EngineSilent) throw engineAway(request.service, error.message)
        throw error
      })
      underWay.set(name, work)
      try {
        await work
      } finally {
        underWay.delete(name)
      }
    },
    async examine(): Promise<EngineFacts | null> {
      return (await engine.connect()) === null ? engine.info : null
    },
    async findFault() {
      if (known === null || performance.now() - known.at > faultAgeMs)
        known = { at: performance.now(), fault: await engine.connect() }
      return known.fault
    },
  }
}

async function ensureOne(engine: Engine, request: ImageRequest, name: string, reporter: ProgressReporter): Promise<void> {
  const { image, pull } = request.container
  // The digest in the name says that it is this very content.
  const mayBeHere = image.from === 'registry' ? pull !== 'always' : image.digest !== null
  if (!mayBeHere || !(await isHere(engine, name))) await bring(engine, request, name, reporter)
  await refuseForeignArchitecture(engine, name)
}

async function bring(engine: Engine, request: ImageRequest, name: string, reporter: ProgressReporter): Promise<void> {
  const { image, pull } = request.container
  switch (image.from) {
    case 'registry':
      if (pull === 'never') {
        throw new DarumaError('E_IMAGE_UNKNOWN', `there is no image ${name} here, and pull: 'never' forbids to fetch it`, {
          hint: 'Load it into the engine, or allow to pull it.',
        })
      }
      return pullImage(engine, request, name, (message) => reporter.say(message))
    case 'archive':
      return loadArchive(engine, image.path, name, (message) => reporter.say(message))
    case 'build':
      return buildImage(engine, request, image, name, (message) => reporter.say(message))
  }
}

async function inspectImage(engine: Engine, name: string): Promise<RawImage | null> {
  try {
    return await engine.ask('inspect image', (client, signal) => client.inspectImage(name, signal), engine.limits.askMs)
  } catch (error) {
    if (isStatus(error, 404)) return null
    throw error
  }
}

const isHere = async (engine: Engine, name: string): Promise<boolean> => (await inspectImage(engine, name)) !== null

/** Found out before anything is given up for it: the start would fail with "exec format error". */
async function refuseForeignArchitecture(engine: Engine, name: string): Promise<void> {
  const here = engine.info?.architecture
  const found = await inspectImage(engine, name)
  if (found === null || here === undefined || found.Architecture === '' || found.Architecture === here) return
  throw new DarumaError(
    'E_IMAGE_ARCHITECTURE',
    `${name} is for ${found.Os}/${found.Architecture}, and this machine is linux/${here}`,
    {
      hint: 'Build or choose one for this architecture.',
    },
  )
}

async function pullImage(engine: Engine, request: ImageRequest, name: string, report: Report): Promise<void> {
  const { registry } = request.container
  const login =
    registry === null ? null : { username: registry.username, password: request.password ?? '', serveraddress: registryOf(name) }
  report(`pulling ${name}`)
  try {
    const stream = await begin(engine, name, (client) => client.pullImage(splitReference(name), login))
    await followProgress(stream, name, report)
  } catch (error) {
    if (error instanceof EngineSilent || error instanceof DarumaError) throw error
    throw explainPull(name, error)
  }
}

/** A question whose answer is a stream; that it begins at all is awaited no longer than a registry may be silent. */
async function begin(engine: Engine, name: string, question: (client: EngineClient) => Promise<Readable>): Promise<Readable> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(silent(name)), silenceLimitMs)
  try {
    return await Promise.race([engine.open(question), late])
  } finally {
    clearTimeout(timer)
    late.catch(() => {})
  }
}

const silent = (name: string): DarumaError =>
  new DarumaError('E_IMAGE_UNREACHABLE', `no progress with ${name} for ${silenceLimitMs / 1000} s`, {
    hint: "Check the registry's name and the network.",
  })

/** Rejects with what the last line complains of. Calls `onLine` with each line. */
async function followProgress(
  stream: Readable,
  name: string,
  report: Report,
  onLine: (line: Progress) => void = () => {},
): Promise<void> {
  const reporter = new ProgressReporter(report)
  const lines = new LineSplitter()
  let timer = setTimeout(() => stream.destroy(silent(name)), silenceLimitMs)
  try {
    stream.setEncoding('utf8')
    for await (const piece of stream) {
      clearTimeout(timer)
      timer = setTimeout(() => stream.destroy(silent(name)), silenceLimitMs)
      for (const line of lines.push(piece as string)) {
        const progress = parseProgress(line)
        if (progress === null) continue
        if (progress.error !== undefined) throw new Error(progress.error)
        onLine(progress)
        reporter.take(progress)
      }
    }
  } finally {
    clearTimeout(timer)
    stream.destroy()
  }
}

function parseProgress(line: string): Progress | null {
  try {
    return JSON.parse(line) as Progress
  } catch {
    return null
  }
}

/** `docker save` and OCI archives alike; the engine tells what it found inside, and that gets our own name. */
async function loadArchive(engine: Engine, path: string, name: string, report: Report): Promise<void> {
  const fail = (said: string, cause: unknown): DarumaError =>
    new DarumaError('E_IMAGE_ARCHIVE', `the archive ${path} could not be loaded: ${said}`, {
      hint: 'It must be what docker save or podman save wrote, or an OCI archive, plain or compressed.',
      cause,
    })
  const size = await stat(path).catch((error: unknown) => {
    throw fail(reasonOf(error), error)
  })
  report(`loading ${path}, ${megabytes(size.size)} MB`)
  let loaded: string | null = null
  try {
    const stream = await begin(engine, name, (client) => client.loadImage(createReadStream(path)))
    await followProgress(stream, name, report, ({ stream: said }) => {
      loaded = /Loaded image(?: ID)?(?:\(s\))?: (\S+)/.exec(said ?? '')?.[1] ?? loaded
    })
  } catch (error) {
    if (error instanceof EngineSilent || error instanceof DarumaError) throw error
    throw fail(reasonOf(error), error)
  }
  if (loaded === null) throw fail('there is no image in it', null)
  await tag(engine, loaded, name)
}

async function tag(engine: Engine, from: string, name: string): Promise<void> {
  const cut = name.lastIndexOf(':')
  const options = { repo: name.slice(0, cut), tag: name.slice(cut + 1) }
  await engine.ask('tag', (client, signal) => client.tagImage(from, options, signal), engine.limits.askMs)
}

const lastLines = 10

async function buildImage(
  engine: Engine,
  request: ImageRequest,
  image: Extract<ImageSource, { from: 'build' }>,
  name: string,
  report: Report,
): Promise<void> {
  const { registry } = request.container
  const said: string[] = []
  const fail = (reason: string, cause: unknown): DarumaError => {
    const context = said.length === 0 ? '' : `\n${said.slice(-lastLines).join('\n')}`
    return new DarumaError('E_IMAGE_BUILD', `${image.context} could not be built: ${reason}${context}`, {
      hint: `Try it by hand: docker build ${image.context}`,
      cause,
    })
  }
  report(`building ${image.context}`)
  try {
    const entries = await listBuildContext(image.context, image.file)
    const host = registry === null ? '' : registryOfBuild(await readFile(join(image.context, image.file), 'utf8'))
    const logins = registry === null ? null : { [host]: { username: registry.username, password: request.password ?? '' } }
    // The image is called by the content that was planned; it must not get another one under that name.
    if (image.digest !== null && (await digestBuildContext(image.context, entries)) !== image.digest)
      throw fail('its files have changed since daruma up read them', null)
    const stream = await begin(engine, name, (client) =>
      client.buildImage(packContext(image.context, entries), { name, file: image.file, logins }),
    )
    await followProgress(stream, name, report, ({ stream: line }) => {
      const text = (line ?? '').trim()
      if (text !== '') said.push(text)
      if (said.length > 4 * lastLines) said.splice(0, said.length - lastLines)
    })
  } catch (error) {
    if (error instanceof EngineSilent || error instanceof DarumaError) throw error
    throw fail(reasonOf(error), error)
  }
}

/** The engine would take every tag of a name without one; a digest stands in the tag's place. */
function splitReference(reference: string): { readonly name: string; readonly tag: string } {
  const [, name = reference, tag = 'latest'] = /^([^@]+)@(.+)$/.exec(reference) ?? /^(.+):([^/]+)$/.exec(reference) ?? []
  return { name, tag }
}

const megabytes = (bytes: number): string => (bytes < 1e7 ? (bytes / 1e6).toFixed(1) : (bytes / 1e6).toFixed(0))
