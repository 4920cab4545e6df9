/**
 * Whose state directory this is: `identity.json` in it says what it is, and the kernel says where it is. Here is decided whether the two
 * belong together. The thing to know: a copy holds everything that its original holds, `identity.json` too, so only what a copy cannot
 * bring along counts as proof, and where there is no proof the answer is a refusal that says what to do.
 */

import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

import { isMissing } from '../../system/errno.ts'
import { DarumaError } from '../../ports/error.ts'
import { findInhabitants, isInhabited } from './cgroups.ts'
import { type Place, isMounted, isSameDirectory, observePlaceQuietly } from './place.ts'

/** What `identity.json` holds. Device and boot are missing where an earlier version wrote it. */
export interface Identity extends Omit<Place, 'device' | 'bootId'> {
  readonly format: 1
  readonly stateId: string
  readonly device?: string
  readonly bootId?: string
  /** Names the last take-over: the claims are renewed until the database knows this name too. */
  readonly takeOver?: string
}

/** Null where there is none, or none that can be understood. Throws `E_STATE_READ` where that cannot be known, and `E_STATE_NEWER`. */
export function readIdentity(file: string): Identity | null {
  const identity = parse(readIfThere(file))
  if (identity === null || identity.format === 1) return identity
  throw new DarumaError(
    'E_STATE_NEWER',
    `${file} was written by a newer version of daruma (format ${String(identity.format)}).`,
    {
      hint: 'Use that version, or choose another directory with --state DIR. Nothing was changed.',
    },
  )
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return ''
    const why = error instanceof Error ? error.message : String(error)
    throw new DarumaError('E_STATE_READ', `The identity of the state directory cannot be read: ${why}.`, {
      hint: 'Without it what runs could be started a second time. Look at the disk, and at the owner and mode of the file.',
      cause: error,
    })
  }
}

function parse(text: string): Identity | null {
  try {
    const identity = JSON.parse(text) as Partial<Identity> | null
    const isOne = typeof identity?.format === 'number' && (identity.format !== 1 || /^[0-9a-f]{8,}$/.test(identity.stateId ?? ''))
    return isOne ? (identity as Identity) : null
  } catch {
    return null
  }
}

/** By rename: half an identity would be none, and a new one would not see what runs. */
export function writeIdentity(file: string, identity: Identity): void {
  writeFileSync(`${file}.next`, `${JSON.stringify(identity)}\n`, { mode: 0o600, flush: true })
  renameSync(`${file}.next`, file)
}

/** As it is to be written for a directory at this place. */
export function identityAt(stateId: string, here: Place, takeOver: string | undefined): Identity {
  return { format: 1, stateId, ...here, ...(takeOver === undefined ? {} : { takeOver }) }
}

export const newTakeOver = (): string => randomBytes(8).toString('hex')

export type Verdict =
  /** The directory that it says it is, perhaps under another name. */
  | { readonly kind: 'own' }
  /** Everything but its file system's number is right, and that one is mounted nowhere now: it may have missed later epochs. */
  | { readonly kind: 'mounted-anew' }
  /** Another's contents. `original` is where that directory is now, as far as it can be found. */
  | { readonly kind: 'copy'; readonly original: string | null }

export function judge(recorded: Identity, here: Place): Verdict {
  const isOwnInode = recorded.machineId === here.machineId && recorded.inode === here.inode && recorded.birth === here.birth
  const isOwnDevice = recorded.device === undefined || recorded.device === here.device
  // Disks are renumbered by each boot.
  const isRenumbered = recorded.bootId !== here.bootId && recorded.path === here.path
  if (isOwnInode && (isOwnDevice || isRenumbered) && findAtItsPlace(recorded, here) === null) return { kind: 'own' }
  const original = findOriginal(recorded.stateId, recorded, here)
  if (!isOwnInode || original !== null) return { kind: 'copy', original }
  const isMountedElsewhere = recorded.bootId === here.bootId && recorded.device !== undefined && isMounted(recorded.device)
  return isMountedElsewhere || isInhabited(recorded.stateId) ? { kind: 'copy', original: null } : { kind: 'mounted-anew' }
}

/** Where the directory is that these words were written for, if it is not the one here: at its place, or where those who run in it have it open. */
export function findOriginal(stateId: string, recorded: Omit<Identity, 'format' | 'stateId'>, here: Place): string | null {
  if (recorded.machineId !== here.machineId) return null
  const there = findAtItsPlace(recorded, here)
  if (there !== null) return there
  for (const { home, isDeleted } of findInhabitants(stateId)) {
    const place = isDeleted ? null : observePlaceQuietly(home)
    if (place !== null && !isSameDirectory(place, here)) return home
  }
  return null
}

function findAtItsPlace(recorded: Pick<Identity, 'path' | 'inode' | 'birth'>, here: Place): string | null {
  const there = recorded.path === here.path ? null : observePlaceQuietly(recorded.path)
  const isIt = there !== null && there.inode === recorded.inode && there.birth === recorded.birth && !isSameDirectory(there, here)
  return isIt ? recorded.path : null
}

export function copied(
  path: string,
  recorded: Pick<Identity, 'path' | 'machineId'>,
  here: Place,
  original: string | null,
): DarumaError {
  const isElsewhere = recorded.machineId !== here.machineId
  const moved = original === null || original === recorded.path ? '' : `, which is now ${original}`
  const origin = isElsewhere ? `${recorded.path} on another machine` : `${recorded.path}${moved}`
  const remains = original === null ? 'The original could not be found' : 'The original is still there'
  return new DarumaError('E_STATE_COPIED', `${path} is a copy of the state directory ${origin}. ${remains}.`, {
    hint:
      original === null
        ? 'If it is gone for good (a restored backup), take its place: daruma daemon run --take-over --state DIR.'
        : 'Two daemons on one state could start everything twice. Use the original, or remove one of the two.',
  })
}
