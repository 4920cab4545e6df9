/**
 * `source`: the folder whose files are a service's release, and `build`, what makes them ready to run. A path alone is the short form of
 * the one, a command of the other. Of what is recorded only the digest and the build decide what runs; the rest says how it was read.
 */

import { cores, duration, size, wholeNumber } from '../values/amounts.ts'
import { command, showCommand } from '../values/command.ts'
import { showText, text } from '../values/scalars.ts'
import { anyText, listOf, objectOf, orNull, type Shape } from '../values/shape.ts'
import {
  isPlainObject,
  readItems,
  type Reader,
  refuseType,
  refuseValue,
  type ValueType,
  valueType,
} from '../values/value-type.ts'
import { asOne, type Field, type Group, group, type Part, shapesOf, type WrittenOf } from './key.ts'
import type { Limits } from './service/limits.ts'

/** Runs once for each release, in a copy of it that can be written. */
export interface Build extends Limits {
  readonly command: readonly string[]
  readonly timeoutMs: number
}

export interface SourceSettings {
  /** From the folder of the config, or absolute: where `up` reads it. */
  readonly path: string
  /** Patterns in git's language, beside those of `.gitignore` and `.darumaignore`. */
  readonly ignore: readonly string[]
  readonly build: Build | null
}

export interface SourceFolder extends SourceSettings {
  /** SHA-256 of the manifest; null until the files have been read. */
  readonly digest: string | null
}

export interface WrittenSource extends Omit<WrittenOf<SourceSettings>, 'build'> {
  readonly build?: WrittenOf<Build>
}

const buildObject = group<Build>('build', {
  command: {
    type: command,
    prose: 'What is run, in the copy: a string by `/bin/sh -c`, an array directly. Exit code 0 is success.',
    example: "'npm ci --omit=dev'",
  },
  timeoutMs: {
    key: 'timeout',
    type: duration({ from: 1000 }),
    default: 600_000,
    prose: 'The longest that a build may take; then it is ended and has failed.',
    example: "'30m'",
  },
  cpuCores: {
    key: 'cpu',
    type: cores,
    default: null,
    defaultWords: 'no limit',
    prose: 'The most CPU that a build gets, in cores.',
    example: '1',
  },
  memoryBytes: {
    key: 'memory',
    type: size({ from: 1024 * 1024, to: 1024 ** 5 }),
    default: null,
    defaultWords: 'no limit',
    prose: 'The most memory that a build gets; beyond it the kernel ends the build.',
    example: "'2GiB'",
  },
  pids: {
    type: wholeNumber({ from: 1, to: 4_194_304 }),
    default: null,
    defaultWords: 'no limit',
    prose: 'The most processes and threads that a build gets.',
    example: '500',
  },
})

const buildReader: Reader<WrittenOf<Build>> = {
  accepts: `${command.accepts}, or ${buildObject.accepts}`,
  read(value, at, problems) {
    if (isPlainObject(value)) return buildObject.read(value, at, problems)
    const words = command.read(value, at, problems)
    return words === undefined ? undefined : { command: words }
  },
}

export const build: Group<Build> = { ...buildObject, ...valueType(buildReader, buildObject) }

/** The command says nearly all; what bounds it stands behind. */
function showBuild(value: Build): string {
  const { command: words, ...bounds } = value
  const limits = build
    .fields(value, '')
    .flatMap(([field, shown]) => (field === 'command' || shown === null ? [] : [`${field} ${shown}`]))
  return [showCommand(words), ...(Object.keys(bounds).length === 0 ? [] : limits)].join(', ')
}

const mostPatterns = 1000

const pattern = text("a pattern in the language of .gitignore, such as '*.log' or '/dist/'", {
  longest: 4096,
  pattern: /^[^\n\r]*$/,
})

const patterns: Reader<readonly string[]> = {
  accepts: "an array of patterns in the language of .gitignore, such as ['*.log', '/dist/']",
  read(value, at, problems) {
    if (!Array.isArray(value)) return refuseType(value, this.accepts, at, problems)
    if (value.length > mostPatterns) return refuseValue(value.length, `at most ${mostPatterns} patterns`, at, problems)
    return readItems(value, at, problems, pattern)
  },
}

const folder = text('a folder, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ })

const sourceObject = group<SourceSettings, WrittenSource>('source', {
  path: { type: folder, prose: 'The folder whose files are the release.', example: "'./web'" },
  ignore: {
    type: valueType(patterns, {
      shape: listOf(anyText),
      show: (lines) => (lines.length === 0 ? null : JSON.stringify(lines)),
      write: (lines) => JSON.stringify(lines),
    }),
    default: [],
    prose:
      'What of the folder is no part of the release, in the language of `.gitignore`. It counts after the `.gitignore` and `.darumaignore` files from the folder of the config downwards; `.git` and the config itself are never part of one.',
    example: "['*.test.js', '/docs/']",
  },
  build: {
    type: asOne(build, showBuild) as ValueType<Build, WrittenOf<Build>>,
    default: null,
    prose:
      'A command that makes the files ready to run, once for each release, in a copy that it may write; what it leaves is what runs. A command alone, or an object.',
    example: "'npm ci --omit=dev'",
  },
})

const sourceReader: Reader<WrittenSource> = {
  accepts: `${folder.accepts}, or ${sourceObject.accepts}`,
  read(value, at, problems) {
    if (isPlainObject(value)) return sourceObject.read(value, at, problems)
    if (typeof value !== 'string') return refuseType(value, "a folder such as './web', or { path, ignore, build }", at, problems)
    const path = folder.read(value, at, problems)
    return path === undefined ? undefined : { path }
  },
}

export const source: Group<SourceSettings, WrittenSource> = { ...sourceObject, ...valueType(sourceReader, sourceObject) }

export const readSource: Reader<WrittenSource> = sourceReader

/** Which release it is: what a plan puts into words where it knows both. */
export const releaseField = 'source.release'

const sourceFields = (value: SourceFolder): readonly Field[] => [
  ['source', showText(value.path)],
  [releaseField, value.digest === null ? 'not read' : value.digest.slice(0, 12)],
  ...source.fields(value, 'source.').filter(([field]) => field !== 'source.path'),
]

export const sourceShape: Shape<SourceFolder | null> = orNull(
  objectOf<SourceFolder>({ ...shapesOf<SourceSettings, WrittenSource>(source.keys), digest: orNull(anyText) }),
)

/** As it stands in the record of a process. */
export const recordedSource: Pick<Part<SourceFolder | null>, 'fields' | 'complete'> = {
  fields: (value) => (value === null ? [] : sourceFields(value)),
  complete: (recorded) => (recorded === null ? null : (source.complete(recorded) as SourceFolder)),
}
