/** What fills a service's slots: `command`, `directory` and `user` of a process, or those and all that a container has. */

import { showCommand, command } from '../../values/command.ts'
import { showText, text } from '../../values/scalars.ts'
import { anyText, exactly, listOf, objectOf, orNull, type Shape, unionBy } from '../../values/shape.ts'
import { type Field, type Part, shapesOf, type WrittenKeys } from '../key.ts'
import {
  containerSettings,
  type ContainerSettings,
  type ImageSource,
  imageShape,
  type Registry,
  registryFields,
  registryShape,
  showImage,
} from './container.ts'
import { readSource, recordedSource, type SourceFolder, sourceShape, type WrittenSource } from '../source.ts'

/** A program of this host. */
export interface Process {
  readonly kind: 'process'
  /** An argument array; a string in the config has become `['/bin/sh', '-c', text]`. */
  readonly command: readonly string[]
  /** Null: the files are those of this host, as they are. */
  readonly source: SourceFolder | null
  /** Absolute; with a source, inside the release, and empty for its root. */
  readonly directory: string
  /** Null: the user that runs Daruma. */
  readonly user: string | null
}

/** A program in a container. Where `command`, `directory` or `user` is null, the image's own is taken. */
export interface Container extends ContainerSettings {
  readonly kind: 'container'
  readonly image: ImageSource
  /** The credentials for a private registry. */
  readonly registry: Registry | null
  readonly command: readonly string[] | null
  /** Absolute, inside the container. */
  readonly directory: string | null
  readonly user: string | null
}

/** A switch over `kind` is checked by the compiler when another kind comes. */
export type Runs = Process | Container

export interface WrittenRuns {
  readonly command?: readonly string[]
  readonly source?: WrittenSource
  readonly directory?: string
  readonly user?: string
}

export const runsKeys: WrittenKeys<WrittenRuns> = {
  command: {
    type: command,
    defaultWords: "required without an image; else the image's own",
    prose:
      "What is run: a string by `/bin/sh -c`, an array directly, without a shell. The stop signal reaches what a string runs, too. With an image it takes the place of the arguments of the image's entry point.",
    example: "['node', 'server.js']",
  },
  source: {
    type: readSource,
    defaultWords: 'none: the command runs with the files of this machine as they are',
    prose:
      'The folder whose files are the release of the service: they are read when `up` runs, kept as they were, and a change of them is a change like any other. A path alone, or an object.',
    example: "'./web'",
  },
  directory: {
    type: text('a path, absolute or from the folder of the config', { longest: 4096, pattern: /^[^~]/ }),
    defaultWords: "the folder of the config; with a source, the root of the release; with an image, the image's own",
    prose:
      'The working directory of the command. With a source, a folder inside of it; with an image, an absolute path inside it.',
    example: "'./web'",
  },
  user: {
    type: text("the name or the number of a user; with an image also of its group, '1000:1000'", {
      longest: 65,
      pattern: /^(?:[a-z_][a-z0-9_-]{0,30}\$?|\d{1,10})(?::(?:[a-z_][a-z0-9_-]{0,31}|\d{1,10}))?$/i,
    }),
    defaultWords: "the user that runs Daruma; with an image, the image's own",
    prose: 'The user that the command runs as (needs root or an image).',
    example: "'postgres'",
  },
}

const process: Shape<Process> = objectOf<Process>({
  kind: exactly('process'),
  command: listOf(anyText),
  source: sourceShape,
  directory: anyText,
  user: orNull(anyText),
})

const container: Shape<Container> = objectOf<Container>({
  kind: exactly('container'),
  image: imageShape,
  registry: registryShape,
  ...shapesOf(containerSettings.keys),
  command: orNull(listOf(anyText)),
  directory: orNull(anyText),
  user: orNull(anyText),
})

export const runs: Part<Runs> = {
  shape: unionBy<Runs>('kind', { process, container }),
  fields: (value, prefix) =>
    [
      ['command', value.command === null ? null : showCommand(value.command)] as const,
      ...(value.kind === 'container' ? containerFields(value) : recordedSource.fields(value.source, '')),
      ['directory', value.directory === null || value.directory === '' ? null : showText(value.directory)] as const,
      ['user', value.user === null ? null : showText(value.user)] as const,
    ].map(([field, shown]): Field => [`${prefix}${field}`, shown]),
  complete: (recorded) =>
    recorded.kind === 'process' ? completeProcess(recorded) : (containerSettings.complete(recorded) as Container),
}

/** Before there were releases, a process ran with the files of its host. */
function completeProcess(recorded: Omit<Process, 'source'> & Partial<Pick<Process, 'source'>>): Process {
  const whole = recordedSource.complete(recorded.source ?? null)
  return recorded.source === whole ? (recorded as Process) : { ...recorded, source: whole }
}

function containerFields(value: Container): readonly Field[] {
  return [['image', showImage(value.image)], ...containerSettings.fields(value, ''), ...registryFields(value.registry)]
}
