/**
 * Brings the files of releases to the daemon: it is asked what it lacks, gets that, and seals. A daemon that dies in between has kept what
 * came whole, so the next one is asked again and gets the rest.
 */

import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import type { Project, Service, SourceFolder } from '../../core/model/service.ts'
import { formatSize } from '../../core/values/quantity.ts'
import { type FileEntry, filesOf, parseManifest } from '../../core/release/manifest.ts'
import { DarumaError } from '../../ports/error.ts'
import type { ReadRelease } from '../../ports/runtime/source.ts'
import type { Client } from '../daemon/client.ts'
import { waitForDaemon } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { SavedPlan } from '../config/saved-plan.ts'

/** A daemon that dies three times over one delivery needs a person. */
const attempts = 3

/** The daemon is told which files the releases have that it does not know, so that a plan can name those that change. */
export async function announceReleases(client: Client, releases: readonly ReadRelease[]): Promise<void> {
  if (releases.length === 0) return
  const unknown = await client.unknownReleases(releases.map(({ digest }) => digest))
  for (const { digest, text } of releases) if (unknown.includes(digest)) await client.beginRelease(text)
}

/** Everything that the project runs from is on the daemon's host when this resolves. */
export async function deliverReleases(
  context: Context,
  client: Client,
  project: Project,
  releases: readonly ReadRelease[],
): Promise<void> {
  const digests = [...new Set(project.services.flatMap((service) => sourceOf(service)?.digest ?? []))]
  if (digests.length === 0) return
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const digest of await client.unknownReleases(digests)) await deliver(context, client, releaseOf(digest, releases))
      return
    } catch (error) {
      const isAway = error instanceof DarumaError && (error.code === 'E_DAEMON_LOST' || error.code === 'E_DAEMON_NOT_RUNNING')
      if (!isAway || attempt === attempts) throw error
      context.terminal.note('lost the daemon; waiting for the next one, which gets the rest of the files')
      await waitForDaemon(client)
    }
  }
}

function releaseOf(digest: string, releases: readonly ReadRelease[]): ReadRelease {
  const release = releases.find((candidate) => candidate.digest === digest)
  if (release !== undefined) return release
  throw new DarumaError('E_RELEASE_MISSING', `The files of release ${digest.slice(0, 12)} are not on this host.`, {
    hint: 'Leave --only away, so that its source is read as well.',
  })
}

/** What takes longer is said, once. */
const quietMs = 1000

async function deliver(context: Context, client: Client, { digest, folder, text }: ReadRelease): Promise<void> {
  const { missing } = await client.beginRelease(text)
  if (missing.length > 0) {
    const wanted = new Set(missing)
    // A content is sent once, however many files have it.
    const files = filesIn(text).filter(({ sha256 }) => wanted.delete(sha256))
    const bytes = files.reduce((sum, { size }) => sum + size, 0)
    const notice = setTimeout(
      () => context.terminal.note(`sending ${files.length} files, ${formatSize(Math.max(1, Math.round(bytes / 1024)) * 1024)}`),
      quietMs,
    )
    try {
      await client.sendContents(framesOf(folder, files))
    } finally {
      clearTimeout(notice)
    }
  }
  await client.sealRelease(digest)
}

function filesIn(text: string): readonly FileEntry[] {
  const parsed = parseManifest(text)
  assert('manifest' in parsed, 'what was read is a manifest')
  return filesOf(parsed.manifest)
}

const smallBytes = 64 * 1024
/** Small files go together: a write for each would cost more than reading it. */
const batchBytes = 256 * 1024

async function* framesOf(folder: string, files: readonly FileEntry[]): AsyncGenerator<Uint8Array> {
  let batch: Buffer[] = []
  let size = 0
  for (const file of files) {
    const head = Buffer.from(`${file.sha256} ${file.size}\n`)
    if (file.size <= smallBytes) {
      const content = await readSmall(folder, file)
      batch.push(head, content)
      size += head.length + content.length
      if (size < batchBytes) continue
    } else batch.push(head)
    yield Buffer.concat(batch)
    batch = []
    size = 0
    if (file.size > smallBytes) yield* readLarge(folder, file)
  }
  if (batch.length > 0) yield Buffer.concat(batch)
}

async function readSmall(folder: string, file: FileEntry): Promise<Buffer> {
  const content = await readFile(join(folder, file.path)).catch((error: unknown) => {
    throw hasChanged(file, error)
  })
  if (content.length !== file.size) throw hasChanged(file)
  return content
}

/** Exactly as many bytes as were announced: whether they are the same is seen by their digest. */
async function* readLarge(folder: string, file: FileEntry): AsyncGenerator<Buffer> {
  let size = 0
  const stream = createReadStream(join(folder, file.path), { end: file.size - 1, highWaterMark: batchBytes })
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      size += part.length
      yield part
    }
  } catch (error) {
    throw hasChanged(file, error)
  }
  if (size !== file.size) throw hasChanged(file)
}

function hasChanged({ path }: FileEntry, cause?: unknown): DarumaError {
  return new DarumaError('E_SOURCE_CHANGING', `${path} has changed while it was sent.`, { hint: 'Run the command again.', cause })
}

/**
 * Of a saved plan the digests are known and the files are not: they are read again where the daemon lacks them. Throws `E_PLAN_STALE`
 * where they are not any more what was planned.
 */
export async function readSaved(context: Context, client: Client, saved: SavedPlan): Promise<readonly ReadRelease[]> {
  const wanted = saved.project.services.flatMap((service) => {
    const source = sourceOf(service)
    return source === null || source.digest === null ? [] : [{ service, source, digest: source.digest }]
  })
  if (wanted.length === 0) return []
  const unknown = new Set(await client.unknownReleases([...new Set(wanted.map(({ digest }) => digest))]))
  const read = new Map<string, ReadRelease>()
  for (const { service, source, digest } of wanted) {
    if (!unknown.has(digest) || read.has(digest)) continue
    const root = dirname(saved.file)
    const folder = resolve(root, source.path)
    const answer = await context.tools.readSource({ folder, ignore: source.ignore, root, except: [saved.file] })
    if (!('release' in answer) || answer.release.digest !== digest) {
      throw new DarumaError('E_PLAN_STALE', `The source of ${service.name} has changed since the plan was made.`, {
        hint: 'Make a new one with `daruma plan --out FILE`.',
      })
    }
    read.set(digest, answer.release)
  }
  return [...read.values()]
}

function sourceOf({ runs }: Service): SourceFolder | null {
  return runs.kind === 'process' ? runs.source : null
}
