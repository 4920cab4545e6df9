/** What the daemon's thread and the worker of releases say to each other. */

import type { Begun } from '../../ports/runtime/releases.ts'
import type { TreeRequest } from '../../core/release/tree-request.ts'
import type { Owner } from './tree.ts'

/** Each kind of task, with what it is given and what it answers. */
export interface Tasks {
  readonly begin: { readonly given: string; readonly answer: Begun }
  /** One at a time: `open`, any number of `part`, `close` or `abandon`. */
  readonly open: { readonly given: null; readonly answer: null }
  readonly part: { readonly given: Uint8Array; readonly answer: null }
  readonly close: { readonly given: null; readonly answer: null }
  readonly abandon: { readonly given: null; readonly answer: null }
  readonly seal: { readonly given: string; readonly answer: null }
  readonly manifest: { readonly given: string; readonly answer: string | null }
  readonly content: {
    readonly given: { readonly sha256: string; readonly mostBytes: number }
    readonly answer: Uint8Array | null
  }
  readonly makeTree: { readonly given: TreeRequest; readonly answer: string }
  readonly prepareBuild: {
    readonly given: { readonly request: TreeRequest; readonly owner: Owner | null }
    readonly answer: string
  }
  readonly sealBuild: { readonly given: TreeRequest; readonly answer: null }
  readonly dropBuild: { readonly given: TreeRequest; readonly answer: null }
  readonly collect: {
    readonly given: readonly TreeRequest[]
    readonly answer: { readonly trees: number; readonly contents: number }
  }
}

export type TaskKind = keyof Tasks

export type Task = { readonly [Kind in TaskKind]: { readonly kind: Kind; readonly given: Tasks[Kind]['given'] } }[TaskKind]

export interface ToWorker {
  readonly id: number
  readonly task: Task
}

export interface FromWorker {
  readonly id: number
  readonly answer?: unknown
  readonly failure?: { readonly code: string; readonly message: string; readonly hint: string | null }
}
