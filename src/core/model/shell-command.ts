/**
 * How a command line in a string is run so that its stop signal arrives. A plain `sh -c 'node server.js'` does not pass it on: Debian's
 * shell neither makes way for its last command nor forwards signals, so the program would be killed with its shell, unasked.
 *
 * - One simple command takes the shell's place (`exec`).
 * - Anything else keeps its shell, which waits for what it runs and then ends; the runtime sends the signal to both.
 */

import type { SignalName } from './service.ts'

/** The arguments to run for a service's command, which is in normal form (a string is `['/bin/sh', '-c', text]`). */
export function launchWords(command: readonly string[], stopSignal: SignalName): readonly string[] {
  const [shell, flag, text, ...rest] = command
  if (shell !== '/bin/sh' || flag !== '-c' || text === undefined || rest.length > 0) return command
  if (isSimple(text)) return [shell, flag, `exec ${text.trim()}`]
  const number = signalNumbers[stopSignal]
  // SIGKILL cannot be waited for. The trap is the shell's alone: what it starts begins with the signal's default (sh(1), trap).
  return number === null ? command : [shell, flag, `${waitingMark}${128 + number}' ${stopSignal.slice('SIG'.length)}; ${text}`]
}

/** Whether these are the words of a shell that waits for what it runs: then what it runs must be told as well. */
export function isWaitingShell(words: readonly string[]): boolean {
  return words[0] === '/bin/sh' && words[1] === '-c' && words[2]?.startsWith(waitingMark) === true
}

const waitingMark = "trap 'exit "

const signalNumbers: Readonly<Record<SignalName, number | null>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: null,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGWINCH: 28,
}

/** Words that the shell itself carries out: `exec` would look for a program of that name. */
const builtins: ReadonlySet<string> = new Set(
  '. : [ ! { alias bg break case cd command continue do done eval exec exit export fg for getopts hash if jobs local read readonly return set shift test then times trap type ulimit umask unalias unset until wait while'.split(
    ' ',
  ),
)

/** No operator, no second line, no assignment in front, no word of the shell's own. In doubt it is not simple, which is always right. */
function isSimple(text: string): boolean {
  const [first = ''] = text.trim().split(/\s/)
  return !/[;&|()\n`]/.test(text) && !first.includes('=') && !/["'\\$~*?#<>]/.test(first) && !builtins.has(first)
}
