/**
 * Assembles the command line: the real process, the real tools. Adapters are imported when a tool is first used, because `status` and
 * `version` need none of them.
 */

import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { fileURLToPath } from 'node:url'

import type { Context } from '../cli/context.ts'
import { createTerminal } from '../cli/screen/terminal.ts'
import { keepCompiledCode } from './process/compile-cache.ts'
import { tools } from './tools.ts'
import { ownNode } from './process/own-node.ts'

/** The path of `cli.js`, which a daemon is started with. */
const entry = fileURLToPath(new URL('./cli.js', import.meta.url))

export async function runCommand(): Promise<void> {
  keepCompiledCode()
  const words = process.argv.slice(2)
  const context = createContext()
  const { runCommandLine } = await import('../cli/tree/program.ts')
  process.exit(await runCommandLine(context, words))
}

function createContext(): Context {
  return {
    tools,
    terminal: createTerminal({ input: process.stdin, output: process.stdout, error: process.stderr }, process.env),
    environment: process.env,
    cwd: process.cwd(),
    userId: process.geteuid?.() ?? -1,
    userName: userName(),
    pid: process.pid,
    version: readVersion(),
    node: ownNode,
    entry,
    onInterrupt,
  }
}

/** With sudo, the person rather than root. */
function userName(): string {
  const sudo = process.env['SUDO_USER']
  if (sudo !== undefined && sudo !== '') return sudo
  try {
    return userInfo().username
  } catch {
    return String(process.geteuid?.() ?? 'unknown')
  }
}

function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version
}

function onInterrupt(
  listener: (signal: NodeJS.Signals) => void,
  { hangUp }: { readonly hangUp: boolean } = { hangUp: false },
): () => void {
  const signals = ['SIGINT', 'SIGTERM', ...(hangUp ? (['SIGHUP'] as const) : [])] as const
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
