/**
 * `daruma daemon install | uninstall`: systemd as the one who keeps the daemon alive, from boot on. A daemon that is running is handed
 * over: it ends, systemd starts its successor, and the instances keep running through both.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { readNames, readText } from '../../system/read-quietly.ts'
import { makeStateFolder } from '../../system/state-folder.ts'
import { DarumaError } from '../../ports/error.ts'
import { stateNotWritable } from '../../ports/storage/state-directory.ts'
import { Client } from '../daemon/client.ts'
import { waitForDaemon } from '../daemon/connect.ts'
import type { Context } from '../context.ts'
import type { Invocation } from '../tree/invocation.ts'
import { resolveState } from '../daemon/state.ts'
import { installedUnitFile, renderUnit, unitOf } from '../daemon/systemd-unit.ts'
import { stopDaemon } from '../daemon/stop-daemon.ts'

export async function install(context: Context, invocation: Invocation): Promise<number> {
  const { directory } = resolveState(context, invocation)
  const unit = renderUnit({ node: context.node, entry: context.entry, state: directory })
  if (invocation.has('print')) {
    context.terminal.print(unit.trimEnd())
    return 0
  }
  requireSystemd(context)
  const name = unitOf(directory)
  const path = join(context.tools.systemd.unitDirectory, name)
  requireOwnUnit(path, directory)
  const fault = makeStateFolder(directory)
  if (fault !== null) throw stateNotWritable(directory, fault)
  mkdirSync(join(directory, 'host'), { recursive: true, mode: 0o700 })
  writeFileSync(installedUnitFile(directory), `${name}\n`, { mode: 0o600 })
  writeFileSync(path, unit, { mode: 0o644 })
  await context.tools.systemd.control(['daemon-reload'])
  const hadDaemon = await stopDaemon(context, directory)
  writeFileSync(join(directory, 'host', 'supervised-by'), 'systemd\n', { mode: 0o600 })
  await context.tools.systemd.control(['enable', '--now', name])
  const answer = await waitForDaemon(new Client(directory))
  context.terminal.print(
    `${name} runs the daemon (pid ${answer.pid}), now and after each boot.${hadDaemon ? ' The instances were not touched.' : ''}`,
  )
  noteFormerUnits(context, directory)
  return 0
}

/** Earlier versions installed one for each project: they go on, until what they keep has been brought over. */
function noteFormerUnits({ terminal, tools }: Context, directory: string): void {
  const folder = tools.systemd.unitDirectory
  for (const name of readNames(folder)) {
    const [, state] = name.startsWith('daruma-') ? (ownUnit.exec(readText(join(folder, name))) ?? []) : []
    if (state === undefined || dirname(state) !== directory) continue
    terminal.note(
      `${terminal.notePalette.yellow('note:')} ${name} runs the daemon of ${state}, a state directory of an earlier version. ` +
        `Once that is down, \`daruma daemon uninstall --state ${state}\` removes it.`,
    )
  }
}

const ownUnit = /^# Written by `daruma daemon install`[^]*--state "?(.+?)"?$/m

export async function uninstall(context: Context, invocation: Invocation): Promise<number> {
  const { directory } = resolveState(context, invocation)
  requireSystemd(context)
  const name = unitOf(directory)
  const path = join(context.tools.systemd.unitDirectory, name)
  if (!existsSync(path)) throw new DarumaError('E_SYSTEMD', `There is no unit ${name}.`, { hint: 'Nothing to uninstall.' })
  requireOwnUnit(path, directory)
  await context.tools.systemd.control(['disable', '--now', name])
  rmSync(path, { force: true })
  for (const mark of [join(directory, 'host', 'supervised-by'), installedUnitFile(directory)]) rmSync(mark, { force: true })
  await context.tools.systemd.control(['daemon-reload'])
  context.terminal.print(`${name} is removed. The instances keep running; the next command that needs the daemon starts it.`)
  return 0
}

function requireSystemd(context: Context): void {
  if (!context.tools.systemd.isRunning()) {
    throw new DarumaError('E_SYSTEMD', 'The init of this machine is not systemd.', {
      hint: '`daruma up` starts a daemon that is kept alive without it, until the next boot. `--print` prints the unit for elsewhere.',
    })
  }
  if (context.userId !== 0)
    throw new DarumaError('E_NOT_ROOT', 'Only root may install a system unit.', { hint: 'sudo daruma daemon install' })
}

/** A unit of the same name that was not written for this state directory is another's. */
function requireOwnUnit(path: string, state: string): void {
  if (!existsSync(path)) return
  const text = readFileSync(path, 'utf8')
  const isOurs =
    text.startsWith('# Written by `daruma daemon install`') && new RegExp(`--state "?${escapePattern(state)}"?$`, 'm').test(text)
  if (!isOurs)
    throw new DarumaError('E_SYSTEMD', `${path} belongs to something else.`, {
      hint: 'Move it away, or choose another state directory.',
    })
}

const escapePattern = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
