/**
 * The systemd unit of one state directory's daemon. `KillMode=process`: stopping the daemon leaves the instances running, which is the
 * point. `Delegate=yes`: the cgroups below are ours. Exit code 78 means "refused" (somebody else holds the lock, a copied directory):
 * starting again would change nothing.
 */

import { basename, join } from 'node:path'

import { daemonFlags } from '../../system/daemon-flags.ts'
import { readText } from '../../system/read-quietly.ts'
import { machineState } from './state.ts'

export interface UnitOptions {
  readonly node: string
  readonly entry: string
  readonly state: string
}

export function renderUnit(options: UnitOptions): string {
  const words = [options.node, ...daemonFlags, options.entry, 'daemon', 'run', '--state', options.state].map(quote).join(' ')
  return `# Written by \`daruma daemon install\`; \`daruma daemon uninstall\` removes it.
[Unit]
Description=Daruma daemon of ${describeState(options.state).replaceAll('%', '%%')}
Documentation=man:systemd.service(5)
After=network-online.target local-fs.target
Wants=network-online.target
# Never give up: the pause between starts is what protects the machine.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${words}
Restart=always
RestartSec=500ms
# 78: the daemon refused to run here, and would again.
RestartPreventExitStatus=78
KillMode=process
Delegate=yes
OOMScoreAdjust=-900
# Instances inherit it; this is systemd's own default, which some distributions lower.
LimitNOFILE=524288
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`
}

const describeState = (state: string): string => (state === machineState ? 'this machine' : state)

/** The unit of a state directory: the one that was installed for it, by whatever version. Two units for one directory would fight over it. */
export function unitOf(state: string): string {
  return readText(installedUnitFile(state)).trim() || unitName(state)
}

/** Holds the name of the unit while one is installed. */
export const installedUnitFile = (state: string): string => join(state, 'host', 'unit')

/** `daruma.service` is the machine's; that of any other state directory is named by its last part. */
export function unitName(state: string): string {
  if (state === machineState) return 'daruma.service'
  return `daruma-${basename(state)
    .replace('@', '.')
    .replaceAll(/[^A-Za-z0-9:_.-]/g, '-')}.service`
}

/** systemd's own quoting: double quotes with C escapes, and its two special characters doubled. */
function quote(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  if (/^[A-Za-z0-9_@%+=:,./$-]+$/.test(escaped)) return escaped
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
