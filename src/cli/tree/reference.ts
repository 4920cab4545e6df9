/** `docs/reference/commands.md`, from the command tree. A test fails when the file is not what this gives. */

import type { CommandSpec, ExitSpec, FlagSpec } from './command-spec.ts'
import { globalFlags } from './global-flags.ts'
import { commands, commonExits } from './tree.ts'

export function renderReference(): string {
  const shown = commands.filter((spec) => spec.isHidden !== true)
  return `${[
    '# Commands',
    '<!-- Made by `node scripts/docs-commands.ts` from src/cli/tree/tree.ts. Edit that. -->',
    `| command | what it does |\n|---|---|\n${shown.map((spec) => `| [\`${title(spec, [])}\`](#${anchor(spec.name)}) | ${cell(spec.summary)} |`).join('\n')}`,
    '## Flags of every command',
    'They stand before the command\'s name or after it. `-f` after `logs` and `events` means "follow"; write `--file` there.',
    flagTable(globalFlags),
    '## Exit codes',
    exitTable(commonExits),
    'A command that is ended by Ctrl-C exits 130. Commands with further codes list them below.',
    output,
    ...shown.flatMap((spec) => section(spec, [])),
  ].join('\n\n')}\n`
}

const output = `## Output

What was asked for goes to stdout, everything said besides to stderr. Where stdout is not a terminal there is no colour and no cursor
movement, and no question: what needs a yes needs \`-y\`. \`NO_COLOR\` and \`FORCE_COLOR\` are honoured. With \`--json\` an error is the last
line of stdout: \`{"error": {"code", "message", "hint"}}\`. These forms are stable; fields may be added:

| command | form |
|---|---|
| \`status --json\` | one object: \`project, stage, revision, daemon, operation, services[], instances[]\`; each instance has \`service, slot, state, health, epoch, pid, port, restarts, startedAt, provenAt, revision, reason, lastExit, cpuCores, memoryBytes\`; with \`--watch\` one a second |
| \`plan --json\` | one object: \`kind: "plan", project, stage, base, fingerprint, steps[], unchanged\`; each step has \`kind, service, what, reasons[], transition, warning\` |
| \`up\`, \`down\`, \`rollback\`, \`restart\`, \`stop\`, \`start\`, \`scale --json\` | one object a line: the \`plan\` (where there is one), \`operation\` (\`id, revision, unchanged\`), \`progress\` (\`service, slot, message, ready, wanted\`), \`failure\` (\`failure: {service, slot, message, probe, log[]}\`), and last \`end\` (\`state, rolledBack, revision, durationMs\`) |
| \`logs --json\` | one object a line: \`service, slot, epoch, at, line\`; with \`goesOn\`, \`isCut\`, \`isAfterGap\` or \`droppedBytes\` where something is missing of it; \`service, slot, note\` says why there are fewer lines than asked for |
| \`events --json\` | one object a line: \`number, at, revision, kind, slot, epoch, message, cause\` |
| \`history --json\` | an array, newest first: \`number, createdAt, by, cause, state, summary\` |
| \`doctor --json\` | one object: \`findings[]\` of \`name, state, message, hint\` |
| \`daemon status --json\` | one object: \`api, version, pid, state, runs\`, or \`null\` |
| \`version --json\` | one object: \`daruma, node\` |`

function section(spec: CommandSpec, above: readonly string[]): readonly string[] {
  const path = [...above, spec.name]
  const words = (spec.arguments ?? []).map((argument) => argument.syntax)
  const aliases = (spec.aliases ?? []).map((alias) => `\`${alias}\``).join(', ')
  const sentence = `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`
  return [
    `${'#'.repeat(path.length + 1)} ${path.join(' ')}`,
    `\`daruma ${[...path, ...(spec.children === undefined ? ['[flags]', ...words] : ['<command>'])].join(' ')}\`${aliases === '' ? '' : ` (also: ${aliases})`}`,
    spec.detail === undefined ? sentence : `${sentence} ${spec.detail}`,
    ...(spec.arguments === undefined
      ? []
      : [spec.arguments.map((argument) => `- \`${argument.syntax}\`: ${argument.summary}`).join('\n')]),
    ...(spec.flags === undefined ? [] : [flagTable(spec.flags)]),
    ...(spec.exits === undefined ? [] : [exitTable(spec.exits)]),
    `\`\`\`sh\n${spec.examples.map((example) => `${example.command}   # ${example.meaning}`).join('\n')}\n\`\`\``,
    ...(spec.children ?? []).flatMap((child) => section(child, path)),
  ]
}

const title = (spec: CommandSpec, above: readonly string[]): string => [...above, spec.name].join(' ')
const anchor = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
const cell = (text: string): string => text.replaceAll('|', '\\|')

const flagTable = (flags: readonly FlagSpec[]): string =>
  `| flag | meaning |\n|---|---|\n${flags.map((flag) => `| \`${flag.syntax}\` | ${cell(flag.summary)} |`).join('\n')}`

const exitTable = (exits: readonly ExitSpec[]): string =>
  `| exit code | meaning |\n|---|---|\n${exits.map((exit) => `| ${exit.code} | ${cell(exit.meaning)} |`).join('\n')}`
