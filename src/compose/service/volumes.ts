/**
 * `volumes`: what outlives a container. Named volumes are carried over; a folder of the machine is not, because a config says
 * everything that a service is made of, and what lies in such a folder it does not see.
 */

import { dirname } from 'node:path'
import { asName } from '../../proposal/settle.ts'
import { fromImage } from './container.ts'
import type { ServiceDraft } from './service.ts'
import { get, type Place, textOf, type Tree } from '../tree/tree.ts'
import { below, readList, refuse, refuseValue } from '../tree/values.ts'

interface Mount {
  readonly at: Place
  readonly type: 'volume' | 'bind' | 'tmpfs' | 'other'
  readonly source: string | null
  readonly target: string
  readonly isReadOnly: boolean
  readonly text: string
}

export function carryVolumes(draft: ServiceDraft): void {
  const list = draft.get('volumes')
  const mounts = list === undefined ? [] : readMounts(list, draft)
  const volumes: Record<string, string> = {}
  for (const mount of mounts) {
    if (mount.type === 'volume') volumes[mount.target] = volumeName(mount, draft)
    else if (mount.type === 'bind' && holdsData(mount)) volumes[mount.target] = volumeOfFolder(mount, draft)
    else if (mount.type === 'bind') noteBind(mount, draft)
    else if (mount.type === 'tmpfs') noteTmpfs(mount.target, mount.at, draft)
    else
      draft.note(
        'volumes',
        mount.at,
        `${mount.text}: not a kind of mount that Daruma knows`,
        'leave it out, or run the service where it is',
      )
    if (mount.type === 'volume' && mount.isReadOnly)
      draft.note(
        'volumes',
        mount.at,
        `${mount.text}: a volume is always writable`,
        'nothing, if the program does not write there',
      )
  }
  draft.with('tmpfs', (tree) => {
    for (const item of tree.kind === 'list' ? tree.items : [tree]) noteTmpfs(textOf(item) ?? '', item.at, draft)
  })
  if (Object.keys(volumes).length > 0) draft.written['volumes'] = volumes
}

function readMounts(tree: Tree, draft: ServiceDraft): readonly Mount[] {
  const spot = draft.at('volumes')
  return (readList(tree, spot)?.items ?? []).flatMap((item, index): readonly Mount[] => {
    const place = below(spot, String(index))
    if (item.kind === 'list') return refuse(item, place, mountNoun) ?? []
    const mount = item.kind === 'mapping' ? readLong(item) : readShort(textOf(item) ?? '', item.at)
    if (mount === null) return refuseValue(item, place, mountNoun) ?? []
    return [{ ...fromFile(mount), target: mount.target.replace(/(?<=.)\/+$/, '') }]
  })
}

/** `$PWD/conf`, a path below the file's own folder, is what a person means by `./conf`. */
function fromFile(mount: Mount): Mount {
  const folder = `${dirname(mount.at.file)}/`
  if (mount.source?.startsWith(folder) !== true) return mount
  return { ...mount, source: `./${mount.source.slice(folder.length)}`, text: mount.text.replace(folder, './') }
}

const mountNoun = "a mount such as 'data:/var/lib/data', './conf:/etc/conf:ro', or { type, source, target }"
const isPath = (source: string): boolean => /^[./~\\]|^[A-Za-z]:[\\/]/.test(source)

function readShort(text: string, at: Place): Mount | null {
  const match = /^(?:((?:[A-Za-z]:\\)?[^:]+):)?(\/[^:]*)(?::([\w,]+))?$/.exec(text)
  if (match === null) return null
  const [, source = null, target, options = ''] = match as unknown as [string, string | undefined, string, string?]
  const type = source !== null && isPath(source) ? 'bind' : 'volume'
  return { at, type, source, target, isReadOnly: options.split(',').includes('ro'), text }
}

function readLong(item: Tree): Mount | null {
  const type = textOf(get(item, 'type')) ?? 'volume'
  const source = textOf(get(item, 'source') ?? get(item, 'src')) ?? null
  const target = textOf(get(item, 'target') ?? get(item, 'dst') ?? get(item, 'destination'))
  if (target === undefined || !target.startsWith('/')) return null
  const isKnown = type === 'volume' || type === 'bind' || type === 'tmpfs'
  const isReadOnly = textOf(get(item, 'read_only')) === 'true'
  return { at: item.at, type: isKnown ? type : 'other', source, target, isReadOnly, text: `${source ?? type}:${target}` }
}

function volumeName({ source, target }: Mount, draft: ServiceDraft): string {
  if (source !== null) return asName(source, 'data')
  // An anonymous volume is another one after each `down`; a named one is what people mean.
  const last =
    target
      .split('/')
      .filter((part) => part !== '')
      .at(-1) ?? 'data'
  return asName(`${draft.name}-${last}`, 'data')
}

const dataNames = /(?:^|[._-])(?:data|db|database|storage|uploads?|media|logs?|cache|state|backups?|files|repos?|library)$/i
const machineFolders = /^\/(?:$|(?:proc|sys|dev|etc|run|boot|usr|bin|lib|root|tmp|var\/run|var\/log|var\/lib\/docker)(?:\/|$))/

/** A folder that the program writes to is what a volume is for; one with sources or settings is not. */
function holdsData({ source, target, isReadOnly }: Mount): boolean {
  if (source === null || isReadOnly || isFile(target) || machineFolders.test(source)) return false
  const isOutside = /^[/~]/.test(source)
  return (
    isOutside ||
    dataNames.test(source.replace(/\/+$/, '').split('/').at(-1)!) ||
    /^\/(?:var\/(?:lib|opt|log|www|spool|mail)|data|srv)(?:\/|$)/.test(target)
  )
}

/** By its name: an extension, or one such as Caddyfile. */
const isFile = (path: string): boolean => /\.[A-Za-z0-9]+$|\/[A-Z][a-z]+file$/.test(path)

function volumeOfFolder({ source, target, at }: Mount, draft: ServiceDraft): string {
  const folder = source!.replace(/\/+$/, '')
  const last = folder.split('/').at(-1)!
  const name = asName(last.startsWith(draft.name) ? last : `${draft.name}-${last}`, 'data')
  draft.note(
    'volumes',
    at,
    `${folder}:${target}: what is in the folder is not moved; here it is the volume ${name}`,
    `before the first up: cp -a ${folder}/. STATE/volumes/${name}/`,
  )
  return name
}

function noteBind({ source, target, at, text }: Mount, draft: ServiceDraft): void {
  if (/docker\.sock|podman\.sock/.test(source ?? '')) {
    draft.note(
      'volumes',
      at,
      `${text}: access to the engine's socket is access to the machine`,
      'what it was for is mostly not needed: Daruma has routes and supervision of its own; else run it as a process (command without image)',
    )
    return
  }
  if (/^\/(?:etc\/(?:localtime|timezone)|usr\/share\/zoneinfo\b.*)$/.test(source ?? '')) {
    draft.note(
      'volumes',
      at,
      `${text}: a container has the clock of the machine, and its time zone from TZ`,
      "environment: { TZ: 'Europe/Berlin' }",
    )
    return
  }
  if (machineFolders.test(source ?? '')) {
    draft.note(
      'volumes',
      at,
      `${text}: a container sees no folder of the machine`,
      'run the program as a process of the machine: command without image',
    )
    return
  }
  draft.note(
    'volumes',
    at,
    `${text}: ${isFile(target) ? 'a file' : 'a folder'} of the machine; a config does not see what changes in it`,
    `put it into the image: ${fromImage(draft)} COPY ${source ?? '.'} ${target}${isFile(target) ? '' : '; if the program writes there, a named volume'}`,
  )
}

/** `/run:size=64m`. A read-only container has /tmp and /run in memory; any other has its own files, which go with it. */
function noteTmpfs(mount: string, at: Place, draft: ServiceDraft): void {
  const [target = ''] = mount.split(':')
  if (/^\/(?:tmp|run)\/?$/.test(target)) return
  if (draft.written['readOnly'] === true)
    draft.note(
      'tmpfs',
      at,
      `${target}: a read-only container can write to /tmp, /run and its volumes`,
      `volumes: { '${target}': '${asName(`${draft.name}-${target.split('/').at(-1) ?? ''}`, 'data')}' }, or let the program write to /tmp`,
    )
  else draft.note('tmpfs', at, `${target}: it is on the disk, in the container's own files, which go with it`, 'nothing, mostly')
}
