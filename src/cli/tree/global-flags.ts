/** The flags that every command has. They stand apart from the command tree, so that what is made of a tree need not import it. */

import { Option } from 'commander'

import type { CommandSpec, FlagSpec } from './command-spec.ts'

/** Understood by every command, before its name or after it. Where `logs` and `events` use -f themselves, only the long form is left. */
export const globalFlags: readonly FlagSpec[] = [
  { syntax: '-f, --file <file>', summary: 'the config; otherwise daruma.config.ts here or in a folder above', completes: 'file' },
  {
    syntax: '-p, --project <project>',
    summary: 'the project, where the machine has several: shop, or shop_staging with a stage',
    completes: 'project',
  },
  { syntax: '-e, --stage <stage>', summary: 'the stage that the config is evaluated for' },
  {
    syntax: '--only <service>',
    summary: 'only this service; may be repeated, or a list with commas',
    completes: 'service',
    isList: true,
  },
  { syntax: '--json', summary: 'for machines: JSON, or one JSON object a line; the forms are stable' },
  { syntax: '-y, --yes', summary: 'do not ask' },
  { syntax: '-v, --verbose', summary: 'say more: the causes of an error' },
  {
    syntax: '--state <dir>',
    summary: 'another state directory than the one of this machine (also: DARUMA_STATE)',
    completes: 'directory',
  },
]

/** The command's own flags, and the global ones in what its own leave over. */
export function flagsOf(spec: CommandSpec): readonly FlagSpec[] {
  const own = spec.flags ?? []
  const taken = new Set(own.flatMap((flag) => new Option(flag.syntax).short ?? []))
  const rest = globalFlags.map((flag) => {
    const short = new Option(flag.syntax).short
    return short !== undefined && taken.has(short) ? { ...flag, syntax: flag.syntax.replace(`${short}, `, '') } : flag
  })
  return [...own, ...rest]
}
