/**
 * The lines of shell script by which keepers are made and told what to run. They are evaluated, so there is one way to write a word into
 * them: {@link quote}. Each is one command in braces, so one that arrives torn is none, and no shell runs it. Each message to a keeper names
 * the keeper that it is meant for: should it ever come to another one, that one leaves without having done anything.
 */

import type { KeeperTools } from './keeper-tools.ts'
import { quote } from './quote.ts'

/** The program and arguments of a shell that becomes a keeper: process 1 of a PID namespace where there are any. */
function keeperWords(tools: KeeperTools, number: number): readonly string[] {
  // A slave: what the host mounts later is not seen everywhere by chance, but a file system that it unmounts is let go here too.
  const namespace =
    tools.unshare === null
      ? []
      : [tools.unshare, '--pid', '--fork', '--kill-child', '--propagation', 'slave', '--mount-proc', '--']
  return [...namespace, '/bin/sh', '-s', ...keeperMarks(tools, number)]
}

/** The words after `-s`, for people who look at a list of processes, and for anything that wants to know whether a new keeper is still there. */
export function keeperMarks(tools: KeeperTools, number: number): readonly string[] {
  return [tools.keeper, tools.stateDirectory, `${number}`]
}

/**
 * For a shell that stands by: makes keeper `number`, which listens on descriptor `lane`. In a child of its own, which joins the cgroup before
 * it does anything else, so that all that comes of it can be found and ended. The shell says when that has been done: from then on a keeper
 * that is not there has ended.
 */
export function renderSpawn(
  tools: KeeperTools,
  from: { readonly number: number; readonly lane: number; readonly lanes: readonly number[]; readonly joinFile: string | null },
): string {
  const { number, lane, lanes, joinFile } = from
  const closed = lanes.map((each) => `${each}<&-`).join(' ')
  const join = joinFile === null ? '' : `echo 0 >${quote(joinFile)} && `
  const words = [...tools.wrapper, ...(tools.setsid === null ? [] : [tools.setsid, '--fork']), ...keeperWords(tools, number)]
  const become = `exec 0<&${lane} 1>/dev/null 2>&0 ${closed}; exec 8</proc; ${join}exec ${words.map(quote).join(' ')}`
  return tools.setsid === null ? `${become}\n` : `(${become}); { echo ${renderMade(number)} >&${lane}; } 2>/dev/null\n`
}

/** What the shell says on the lane of a keeper that it has made. */
export const renderMade = (number: number): string => `made ${number}`

/** The first thing that a new keeper reads. It answers with its line of /proc/PID/stat, or with what went wrong. */
export function renderGreeting(tools: KeeperTools, number: number): string {
  const namespace = tools.unshare === null ? 'no' : 'yes'
  return (
    `daruma_number=${number} daruma_flock=${quote(tools.flock ?? '')} daruma_mount=${quote(tools.mount ?? '')} ` +
    `daruma_namespace=${namespace}; . ${quote(tools.keeper)}\n`
  )
}

export interface KeeperOrder {
  readonly slotDirectory: string
  readonly epochDirectory: string
  readonly joinFiles: readonly string[]
  /** 16 digits. */
  readonly epoch: string
  readonly directory: string
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly isReadOnly: boolean }[]
  readonly environment: Readonly<Record<string, string>>
  readonly command: readonly string[]
}

/** Everything that a start needs. The keeper makes itself ready and runs nothing before it reads {@link renderGo}. */
export function renderOrder(number: number, order: KeeperOrder): string {
  const variables = Object.entries(order.environment).map(([name, value]) => `${name}=${quote(value)}`)
  const body = variables.length === 0 ? ':' : `export ${variables.join(' ')}`
  const mounts = order.mounts.flatMap(({ source, target, isReadOnly }) => [source, isReadOnly ? `ro:${target}` : target])
  const place = [order.slotDirectory, order.epochDirectory, order.joinFiles.join('\n')]
  const run = [order.epoch, order.directory, `${order.mounts.length}`, ...mounts, ...order.command]
  const words = [`${number}`, ...place, ...run].map(quote).join(' ')
  return `{ daruma_environment() { ${body}; }; daruma_prepare ${words}; }\n`
}

/** The epoch is durable. `isLocked`: the daemon has locked the keeper's descriptor 9; else the keeper does it itself. */
export function renderGo(number: number, isLocked: boolean): string {
  return `${number} ${isLocked ? 'go' : 'lock'}\n`
}

/** Variables that a shell keeps for itself and lets nobody set, in one of the shells that /bin/sh may be: they arrive by another way. */
export const shellsOwn: ReadonlySet<string> = new Set(
  'UID EUID PPID SHELLOPTS BASHOPTS BASH_VERSINFO GROUPS DIRSTACK FUNCNAME OPTIND OPTARG LINENO RANDOM SECONDS IFS _'.split(' '),
)
