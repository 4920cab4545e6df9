/**
 * The files of releases on this host: contents once each, by their SHA-256; manifests of them; trees that instances run from. The
 * contract:
 *
 * - A content is here whole and as its name says, or not at all; a manifest is here only when all its contents are.
 * - A tree is there whole or not at all, and is never changed; several may share their files.
 * - Everything survives the daemon's death at any moment; what was half done is removed or done again.
 */

import type { Manifest } from '../../core/release/manifest.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'

export interface Begun {
  readonly digest: string
  /** SHA-256 of the contents that are not here. */
  readonly missing: readonly string[]
}

export interface Releases {
  /** Which of these releases are not here as a whole. */
  unknown(digests: readonly string[]): Promise<readonly string[]>
  /**
   * Takes a manifest and says what is missing of it. Its contents are kept for an hour from now, although no revision names them yet.
   * Rejects with `E_RELEASE_MANIFEST`, and `E_RELEASE_NO_SPACE` where what is missing would not fit.
   */
  begin(text: string): Promise<Begun>
  /**
   * Takes contents, each as a line `SHA-256 SIZE` and then its bytes. Rejects with `E_RELEASE_CONTENT` for one that is not what it is
   * called, and `E_RELEASE_NO_SPACE`; what came whole before that stays.
   */
  receive(stream: AsyncIterable<Uint8Array>): Promise<void>
  /** Makes a begun release one that is here. Rejects with `E_RELEASE_INCOMPLETE`. */
  seal(digest: string): Promise<void>
  /** Of a release that is here or was begun; null where there is none. */
  manifest(digest: string): Promise<Manifest | null>
  /** The first bytes of a content; null where it is not here. */
  content(sha256: string, mostBytes: number): Promise<Uint8Array | null>
  /** Where the tree is, when there is one. Touches the disk, not the worker: it is asked at each start. */
  find(request: TreeRequest): Promise<string | null>
  /** Makes the tree of a release that is here and has no build. Rejects with `E_RELEASE_MISSING`, `E_RELEASE_NO_SPACE`. */
  makeTree(request: TreeRequest): Promise<string>
  /** Makes what a build may write: a copy of the files that belongs to the user. One that was there is removed. */
  prepareBuild(request: TreeRequest, user: string | null): Promise<string>
  /** What the build left becomes the tree. Nothing may write it any more. */
  sealBuild(request: TreeRequest): Promise<void>
  /** What the build left is of no use: it failed. */
  dropBuild(request: TreeRequest): Promise<void>
  /** Removes what is none of these, but for builds that are under way. Resolves to what was removed. */
  collect(used: readonly TreeRequest[]): Promise<{ readonly trees: number; readonly contents: number }>
  close(): Promise<void>
}
