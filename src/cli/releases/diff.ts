/**
 * `--diff`: the text of what changed in the sources, below the plan. The old side comes from the daemon, which has it for a rollback
 * anyway, the new one from the folder. Bounded: a plan is read by a person.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { structuredPatch } from 'diff'
import type { Project, Service } from '../../core/model/service.ts'
import { compareManifests, type FileChange } from '../../core/release/changes.ts'
import { type Manifest, type ManifestEntry, parseManifest } from '../../core/release/manifest.ts'
import type { ReadRelease } from '../../ports/runtime/source.ts'
import type { Client } from '../daemon/client.ts'
import type { Palette } from '../screen/colour.ts'
import type { PlannedChange } from '../config/planned-change.ts'
import { sanitise } from '../render/width.ts'

const mostLines = 400
/** Of one file: the daemon gives no more either. */
const mostBytes = 256 * 1024
/** Two long files that have nothing in common take minutes to compare. */
const compareLimitMs = 1000

/** Nothing where no source has changed, or nothing was applied before. */
export async function renderDiff(change: PlannedChange, palette: Palette): Promise<readonly string[]> {
  const { client, answer, releases } = change
  if (client === null || answer.plan.base === 0) return []
  const { project: before } = await client.revision(answer.plan.base)
  const lines: string[] = []
  for (const { services, from, to } of changedReleases(before, answer.project, releases)) {
    const former = manifestIn(await client.releaseManifest(from))
    const latter = manifestIn(to.text)
    if (former === null || latter === null) continue
    lines.push('', palette.bold(`source of ${services.join(', ')}:`))
    for (const file of compareManifests(former, latter)) {
      if (lines.length >= mostLines) return [...lines, palette.dim(`… and more; the first ${mostLines} lines are shown`)]
      lines.push(...(await renderFile(client, to.folder, file, palette)).slice(0, mostLines - lines.length))
    }
  }
  return lines
}

interface ChangedRelease {
  /** Those that go from the one to the other. */
  readonly services: readonly string[]
  readonly from: string
  readonly to: ReadRelease
}

function changedReleases(before: Project, after: Project, releases: readonly ReadRelease[]): readonly ChangedRelease[] {
  const former = new Map(before.services.map((service) => [service.name, digestOf(service)]))
  const found = new Map<string, ChangedRelease>()
  for (const service of after.services) {
    const [from, digest] = [former.get(service.name) ?? null, digestOf(service)]
    const to = releases.find((release) => release.digest === digest)
    if (from === null || to === undefined || from === digest) continue
    const key = `${from} ${digest}`
    found.set(key, { from, to, services: [...(found.get(key)?.services ?? []), service.name] })
  }
  return [...found.values()]
}

const digestOf = ({ runs }: Service): string | null => (runs.kind === 'process' ? (runs.source?.digest ?? null) : null)

function manifestIn(text: string): Manifest | null {
  const parsed = parseManifest(text)
  return 'manifest' in parsed ? parsed.manifest : null
}

async function renderFile(client: Client, folder: string, { path, from, to }: FileChange, palette: Palette): Promise<string[]> {
  const name = sanitise(path, false)
  const head = [palette.bold(`--- ${from === null ? '(new)' : name}`), palette.bold(`+++ ${to === null ? '(gone)' : name}`)]
  const kinds = [from, to].map(describe)
  if (kinds[0] !== kinds[1] && from !== null && to !== null) head.push(palette.dim(`${kinds[0]} → ${kinds[1]}`))
  if (from?.kind === 'file' && to?.kind === 'file' && from.sha256 === to.sha256) return head
  const [old, now] = [await formerText(client, from), await latterText(folder, to)]
  if (old === null || now === null) return [...head, palette.dim('not shown: no text, or too large')]
  const patch = structuredPatch('', '', old, now, undefined, undefined, { context: 3, timeout: compareLimitMs })
  if (patch === undefined) return [...head, palette.dim('not shown: too different')]
  return [
    ...head,
    ...patch.hunks.flatMap((hunk) => [
      palette.cyan(`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`),
      ...hunk.lines.map((line) => {
        const text = sanitise(line, false)
        return line.startsWith('+') ? palette.green(text) : line.startsWith('-') ? palette.red(text) : text
      }),
    ]),
  ]
}

function describe(entry: ManifestEntry | null): string {
  if (entry === null) return 'nothing'
  if (entry.kind === 'folder') return 'an empty folder'
  return entry.kind === 'link' ? 'a link' : entry.isExecutable ? 'a program' : 'a file'
}

/** Null: not to be shown. */
async function formerText(client: Client, entry: ManifestEntry | null): Promise<string | null> {
  if (entry === null || entry.kind === 'folder') return ''
  if (entry.kind === 'link') return `${entry.target}\n`
  const { text, isCut } = await client.content(entry.sha256)
  return isCut ? null : text
}

async function latterText(folder: string, entry: ManifestEntry | null): Promise<string | null> {
  if (entry === null || entry.kind === 'folder') return ''
  if (entry.kind === 'link') return `${entry.target}\n`
  if (entry.size >= mostBytes) return null
  // What has changed since it was read is found out when it is sent.
  const content = await readFile(join(folder, entry.path)).catch(() => null)
  return content === null || content.includes(0) ? null : content.toString('utf8')
}
