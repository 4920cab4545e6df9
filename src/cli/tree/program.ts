/**
 * From words to a command's exit code. Commander parses; the tree says what there is. Flags stand before or after the command's name
 * (the later wins), except that `logs -f` and `events -f` mean "follow".
 */

import { Command, CommanderError, Option } from 'commander'

import { DarumaError } from '../../ports/error.ts'
import type { CommandSpec, FlagSpec } from './command-spec.ts'
import type { Context } from '../context.ts'
import { Invocation } from './invocation.ts'
import { renderError } from '../render/failure.ts'
import { flagsOf, globalFlags } from './global-flags.ts'
import { commands, commonExits } from './tree.ts'

/**
 * Runs one command line; every error is printed and becomes an exit code. Resolves when everything that was said has been taken by
 * its readers, so that anyone who calls may end the process.
 */
export async function runCommandLine(context: Context, words: readonly string[]): Promise<number> {
  const code = await parseAndPerform(context, words)
  try {
    await context.terminal.finish()
    return code
  } catch (error) {
    // A disk that is full, mostly. Where stderr goes there too, only the exit code is left to tell it.
    context.terminal.note(renderError(error, context.terminal.notePalette, false).join('\n'))
    await context.terminal.finish().catch(() => undefined)
    return code === 0 ? 1 : code
  }
}

async function parseAndPerform(context: Context, words: readonly string[]): Promise<number> {
  let outcome: Promise<number> = Promise.resolve(0)
  const program = buildProgram(context, (spec, invocation) => {
    outcome = perform(context, spec, invocation)
  })
  try {
    program.parse([...words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was shown, asked for or not, speaks for itself.
    const isHelp = error.exitCode === 0 || error.code === 'commander.help'
    if (!isHelp) printError(context, usageError(error), { json: isForMachines(words), isVerbose: false })
    return error.exitCode
  }
  return outcome
}

async function perform(context: Context, spec: CommandSpec, invocation: Invocation): Promise<number> {
  try {
    if (spec.load === undefined) return 0
    const run = await spec.load()
    return await run(context, invocation)
  } catch (error) {
    printError(context, asOperatingError(error), { json: invocation.json, isVerbose: invocation.has('verbose') })
    return 1
  }
}

/** What the operating system refused is no bug of ours, wherever it was asked: its own words name the object. */
function asOperatingError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DarumaError) return error
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return error
  return new DarumaError('E_SYSTEM', `System error: ${error.message}.`, {
    hint: '`daruma doctor` examines the machine.',
    cause: error,
  })
}

/** With --json the error is an object on stdout, in the daemon's form, so that a script reads one stream. */
function printError(context: Context, error: unknown, how: { readonly json: boolean; readonly isVerbose: boolean }): void {
  if (how.json && error instanceof DarumaError) {
    context.terminal.print(JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint } }))
    return
  }
  context.terminal.note(renderError(error, context.terminal.notePalette, how.isVerbose).join('\n'))
}

/** What the parser says, in the form of every other error: `error: unknown option '--wiat'`, and perhaps a guess on a line of its own. */
function usageError(error: CommanderError): DarumaError {
  const [message = '', guess] = error.message.replace(/^error: /, '').split(/\n\((.*)\)/)
  return new DarumaError('E_USAGE', `${message.trim()}.`, {
    hint: guess ?? '`daruma --help` lists the commands, `daruma help COMMAND` the flags of one.',
  })
}

/** The words could not be parsed, so they are looked through. Behind `--` they are another's. */
function isForMachines(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return (end < 0 ? words : words.slice(0, end)).includes('--json')
}

type Act = (spec: CommandSpec, invocation: Invocation) => void

function buildProgram(context: Context, act: Act): Command {
  const program = new Command('daruma')
    .description('From a TypeScript file to processes that never run twice and always get back up.')
    .usage('<command> [flags]')
    .version(context.version, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({
      writeOut: (text) => context.terminal.print(text.trimEnd()),
      writeErr: (text) => context.terminal.note(text.trimEnd()),
      // Said where every error is said.
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(context.terminal.columns(), 110),
      getErrHelpWidth: () => 110,
    })
    .exitOverride()
  addFlags(program, globalFlags)
  for (const spec of commands) program.addCommand(buildCommand(program, spec, [], act), { hidden: spec.isHidden === true })
  program.addHelpText(
    'after',
    `\nStart with: daruma init, daruma up, daruma status. Every command has examples: daruma up --help`,
  )
  return program
}

function buildCommand(program: Command, spec: CommandSpec, inherited: readonly Command[], act: Act): Command {
  const command = new Command(spec.name).copyInheritedSettings(program)
  command.summary(spec.summary).description(describe(spec)).exitOverride()
  for (const alias of spec.aliases ?? []) command.alias(alias)
  for (const argument of spec.arguments ?? []) command.argument(argument.syntax, argument.summary)
  if (spec.passesThrough === true) command.passThroughOptions()
  addFlags(command, flagsOf(spec))
  const lineage = [...inherited, command]
  if (spec.children !== undefined) {
    command.enablePositionalOptions().usage('<command> [flags]')
    for (const child of spec.children) command.addCommand(buildCommand(program, child, lineage, act))
  } else {
    command.action(() => {
      const flags = Object.assign({}, program.opts(), ...lineage.map((ancestor) => ancestor.opts())) as Record<string, unknown>
      act(spec, new Invocation(command.args, flags))
    })
  }
  if (spec.examples.length > 0) command.addHelpText('after', () => helpAfter(spec))
  return command
}

function addFlags(command: Command, flags: readonly FlagSpec[]): void {
  for (const flag of flags) {
    const option = new Option(flag.syntax, flag.summary)
    if (flag.isList === true)
      option.argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), ...splitList(value)])
    command.addOption(option)
  }
}

const splitList = (text: string): readonly string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const describe = (spec: CommandSpec): string => {
  const sentence = `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`
  return spec.detail === undefined ? sentence : `${sentence} ${spec.detail}`
}

function helpAfter(spec: CommandSpec): string {
  const width = spec.examples.reduce((widest, example) => Math.max(widest, example.command.length), 0)
  const examples = spec.examples.map((example) =>
    width > 50 ? `  ${example.command}\n      ${example.meaning}` : `  ${example.command.padEnd(width)}  ${example.meaning}`,
  )
  const exits = [...commonExits, ...(spec.exits ?? [])].map((exit) => `  ${exit.code.padEnd(5)}  ${exit.meaning}`)
  return ['', 'Examples:', ...examples, '', 'Exit codes:', ...exits].join('\n')
}
