/**
 * The store of contents, manifests and trees on one disk, as the worker has it: synchronous, one thing after the other, so that
 * nothing is collected while it is being delivered. What each step leaves on a disk that stops there is told where it is made.
 */

import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { filesOf, type Manifest, parseManifest } from '../../core/release/manifest.ts'
import { DarumaError } from '../../ports/error.ts'
import type { Begun } from '../../ports/runtime/releases.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'
import { sealFiles } from './built-tree.ts'
import { fsyncPath, syncFileSystem, writeWhole } from './durable.ts'
import { blobPath, incomingManifest, type Layout, layoutOf, makeLayout, treeKey } from './layout.ts'
import { copyTree, linkTree, type Owner, removeTree } from './tree.ts'

/** For how long a release that was begun is kept although no revision names it. */
const begunMs = 3_600_000
/** Left free for the database, the logs, and whatever must be written in an emergency. */
const reserveBytes = 64 * 1024 * 1024

export class ReleaseStore {
  readonly layout: Layout

  /** `isFirst`: no other has been here since the daemon started, so nothing half done is under way. */
  constructor(directory: string, isFirst: boolean) {
    this.layout = layoutOf(directory)
    makeLayout(this.layout)
    if (isFirst) this.#sweep()
  }

  /** What a daemon that died has left half done. Manifests that were begun stay their hour. */
  #sweep(): void {
    const { incoming, trees, sealed } = this.layout
    for (const name of readdirSync(incoming)) if (!name.endsWith('.manifest')) rmSync(join(incoming, name), { force: true })
    const whole = new Set(readdirSync(sealed))
    for (const key of readdirSync(trees)) if (!whole.has(key)) removeTree(join(trees, key))
  }

  begin(text: string): Begun {
    // Somebody may have removed it all under us; then it is brought again.
    makeLayout(this.layout)
    const parsed = parseManifest(text)
    if ('fault' in parsed) throw new DarumaError('E_RELEASE_MANIFEST', `The manifest ${parsed.fault}.`)
    const digest = createHash('sha256').update(text).digest('hex')
    // Also of one that is here: it was restarted, and counts from now.
    writeWhole(incomingManifest(this.layout, digest), text)
    const missing = this.#missingOf(parsed.manifest)
    this.#refuseWithoutSpace([...missing.values()].reduce((sum, size) => sum + size, 0))
    return { digest, missing: [...missing.keys()] }
  }

  seal(digest: string): void {
    const text = readText(incomingManifest(this.layout, digest))
    const parsed = text === null ? null : parseManifest(text)
    if (text === null || parsed === null || 'fault' in parsed) throw incomplete(digest, 'its manifest has not come')
    const missing = this.#missingOf(parsed.manifest)
    if (missing.size > 0) throw incomplete(digest, `${missing.size} of its contents have not come`)
    // Its contents are durable already: with this file the release is here.
    if (!existsSync(join(this.layout.manifests, digest))) writeWhole(join(this.layout.manifests, digest), text)
  }

  manifestText(digest: string): string | null {
    return readText(join(this.layout.manifests, digest)) ?? readText(incomingManifest(this.layout, digest))
  }

  content(sha256: string, mostBytes: number): Uint8Array | null {
    let descriptor: number
    try {
      descriptor = openSync(blobPath(this.layout, sha256, false), 'r')
    } catch {
      return null
    }
    try {
      const part = new Uint8Array(mostBytes)
      return part.slice(0, readSync(descriptor, part, 0, mostBytes, 0))
    } finally {
      closeSync(descriptor)
    }
  }

  makeTree(request: TreeRequest): string {
    makeLayout(this.layout)
    const key = treeKey(request)
    const root = join(this.layout.trees, key)
    if (this.#isSealed(key)) return root
    const manifest = this.#manifestOf(request)
    removeTree(root)
    linkTree(this.layout, manifest, root)
    this.#mark(key)
    return root
  }

  prepareBuild(request: TreeRequest, owner: Owner | null): string {
    const key = treeKey(request)
    const root = join(this.layout.trees, key)
    rmSync(join(this.layout.sealed, key), { force: true })
    removeTree(root)
    const manifest = this.#manifestOf(request)
    this.#refuseWithoutSpace(filesOf(manifest).reduce((sum, { size }) => sum + size, 0))
    copyTree(this.layout, manifest, { root, owner })
    return root
  }

  sealBuild(request: TreeRequest): void {
    const key = treeKey(request)
    sealFiles(this.layout, join(this.layout.trees, key))
    this.#mark(key)
  }

  dropBuild(request: TreeRequest): void {
    const key = treeKey(request)
    if (!this.#isSealed(key)) removeTree(join(this.layout.trees, key))
  }

  collect(used: readonly TreeRequest[]): { readonly trees: number; readonly contents: number } {
    const { trees, sealed, manifests, incoming } = this.layout
    const keys = new Set(used.map(treeKey))
    const digests = new Set(used.map(({ digest }) => digest))
    // One without a mark is being built, for some project.
    const whole = new Set(readdirSync(sealed))
    const dropped = readdirSync(trees).filter((key) => !keys.has(key) && whole.has(key))
    for (const key of dropped) {
      // The mark first: half a tree is none.
      rmSync(join(sealed, key), { force: true })
      removeTree(join(trees, key))
    }
    for (const name of readdirSync(incoming)) {
      const path = join(incoming, name)
      if (name.endsWith('.manifest') && Date.now() - statSync(path).mtimeMs > begunMs) rmSync(path, { force: true })
    }
    const begun = new Set(readdirSync(incoming).map((name) => name.replace(/\.manifest$/, '')))
    for (const digest of readdirSync(manifests))
      if (!digests.has(digest) && !begun.has(digest)) rmSync(join(manifests, digest), { force: true })
    return { trees: dropped.length, contents: this.#collectContents() }
  }

  /** A content with a second link is in a tree; one that a manifest names may be wanted for the next. */
  #collectContents(): number {
    const { blobs, manifests, incoming } = this.layout
    const named = new Set<string>()
    for (const folder of [manifests, incoming]) {
      for (const name of readdirSync(folder)) {
        const parsed = parseManifest(readText(join(folder, name)) ?? '')
        if ('fault' in parsed) continue
        for (const { sha256, isExecutable } of filesOf(parsed.manifest)) {
          named.add(sha256)
          if (isExecutable) named.add(`${sha256}.x`)
        }
      }
    }
    let count = 0
    for (const prefix of readdirSync(blobs)) {
      for (const rest of readdirSync(join(blobs, prefix))) {
        const path = join(blobs, prefix, rest)
        if (named.has(`${prefix}${rest}`) || statSync(path).nlink > 1) continue
        rmSync(path, { force: true })
        count += 1
      }
    }
    return count
  }

  #missingOf(manifest: Manifest): ReadonlyMap<string, number> {
    const missing = new Map<string, number>()
    const seen = new Set<string>()
    for (const { sha256, size } of filesOf(manifest)) {
      if (seen.has(sha256)) continue
      seen.add(sha256)
      const found = statSync(blobPath(this.layout, sha256, false), { throwIfNoEntry: false })
      // One of another size was harmed on the disk, and is brought again.
      if (found?.size !== size) missing.set(sha256, size)
    }
    return missing
  }

  #manifestOf({ digest }: TreeRequest): Manifest {
    const text = readText(join(this.layout.manifests, digest))
    const parsed = text === null ? null : parseManifest(text)
    if (parsed !== null && 'manifest' in parsed) return parsed.manifest
    throw new DarumaError('E_RELEASE_MISSING', `The files of release ${digest.slice(0, 12)} are not on this host.`, {
      hint: '`daruma up` from where they are brings them.',
    })
  }

  /** All of it is on the disk before the mark is: after a power cut a marked tree is a whole one. */
  #mark(key: string): void {
    const { trees, sealed } = this.layout
    if (!syncFileSystem(trees)) fsyncPath(trees)
    writeWhole(join(sealed, key), '')
  }

  #isSealed(key: string): boolean {
    return existsSync(join(this.layout.sealed, key)) && existsSync(join(this.layout.trees, key))
  }

  #refuseWithoutSpace(wantedBytes: number): void {
    const { bavail, bsize } = statfsSync(this.layout.incoming)
    const freeBytes = bavail * bsize
    if (wantedBytes + reserveBytes > freeBytes && wantedBytes > 0)
      throw noSpace(`${wantedBytes} bytes are wanted, ${freeBytes} are free`)
  }
}

export function noSpace(why: string): DarumaError {
  return new DarumaError('E_RELEASE_NO_SPACE', `There is no space for the files of the release: ${why}.`, {
    hint: 'Nothing that runs was touched. Free some space, then run the command again.',
  })
}

const incomplete = (digest: string, why: string): DarumaError =>
  new DarumaError('E_RELEASE_INCOMPLETE', `Release ${digest.slice(0, 12)} is incomplete on this host: ${why}.`, {
    hint: 'Run the command again.',
  })

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
