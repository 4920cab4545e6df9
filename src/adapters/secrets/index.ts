/**
 * Asks every secret of a project for its value, where the command runs: environment, file, or program. A value is never put into
 * a message, and neither is what a program wrote to its output: a failing password manager may print what it should not.
 */

import { spawn } from 'node:child_process'
import { open, stat } from 'node:fs/promises'
import type { Problem } from '../../core/values/problem.ts'
import { notifyOwner, registryPassword, secretsOfProject } from '../../core/model/secrets-of.ts'
import { canonicalJson, type Project, type SecretSource } from '../../core/model/service.ts'

/** By owner and name as in `secretsOfProject`: of most, the service and the environment variable. */
export type SecretValues = Readonly<Record<string, Readonly<Record<string, string>>>>

export type ResolvedSecrets =
  | { readonly ok: true; readonly values: SecretValues; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** The kernel bounds one variable at 128 KiB with its name (execve(2)). */
const largestValueBytes = 120 * 1024
const commandLimitMs = 10_000
/** Password managers unlock something: a handful at once is enough. */
const commandsAtOnce = 4

export interface ResolveOptions {
  /** Where programs run; by default where this process does. */
  readonly directory?: string
  readonly commandLimitMs?: number
}

/** A source named several times is asked once. Services without secrets are absent from `values`. */
export async function resolveSecrets(
  project: Project,
  environment: Readonly<Record<string, string | undefined>>,
  options: ResolveOptions = {},
): Promise<ResolvedSecrets> {
  const sources = new Map<string, SecretSource>()
  const owners = secretsOfProject(project)
  for (const [, references] of owners)
    for (const { source } of Object.values(references)) sources.set(canonicalJson(source), source)
  const answers = await askAll(sources, (source) => ask(source, environment, options))
  const problems: Problem[] = []
  const values: [string, Readonly<Record<string, string>>][] = []
  for (const [owner, references] of owners) {
    const own: [string, string][] = []
    for (const [variable, { source }] of Object.entries(references)) {
      const answer = answers.get(canonicalJson(source))!
      if (answer.ok) own.push([variable, answer.value])
      else problems.push({ path: pathOf(owner, variable), suggestion: null, ...answer.problem })
    }
    if (own.length > 0) values.push([owner, Object.fromEntries(own)])
  }
  if (problems.length > 0) return { ok: false, problems }
  const warnings = [...answers.values()].flatMap((answer) => (answer.ok && answer.warning !== null ? [answer.warning] : []))
  return { ok: true, values: Object.fromEntries(values), warnings }
}

function pathOf(owner: string, name: string): readonly string[] {
  if (owner === notifyOwner) return ['notify', ...name.split('.')]
  return name === registryPassword ? ['services', owner, 'registry', 'password'] : ['services', owner, 'secrets', name]
}

type Answer =
  | { readonly ok: true; readonly value: string; readonly warning: string | null }
  | { readonly ok: false; readonly problem: Pick<Problem, 'code' | 'message' | 'allowed'> }

async function askAll(
  sources: ReadonlyMap<string, SecretSource>,
  askOne: (source: SecretSource) => Promise<Answer>,
): Promise<ReadonlyMap<string, Answer>> {
  const answers = new Map<string, Answer>()
  const waiting = sources.entries()
  const worker = async (): Promise<void> => {
    for (const [key, source] of waiting) answers.set(key, await askOne(source))
  }
  await Promise.all(Array.from({ length: commandsAtOnce }, worker))
  return answers
}

async function ask(
  source: SecretSource,
  environment: Readonly<Record<string, string | undefined>>,
  options: ResolveOptions,
): Promise<Answer> {
  switch (source.from) {
    case 'environment':
      return fromEnvironment(source.name, environment)
    case 'file':
      return fromFile(source.path)
    case 'command':
      return fromCommand(source.command, environment, options)
  }
}

function fromEnvironment(name: string, environment: Readonly<Record<string, string | undefined>>): Answer {
  const value = environment[name]
  if (value !== undefined && value !== '') return accept(value, `the environment variable ${name}`)
  const message =
    value === undefined ? `the environment variable ${name} is not set` : `the environment variable ${name} is empty`
  return refuse('E_SECRET_MISSING', message, `${name}=… in the environment of this command`)
}

async function fromFile(path: string): Promise<Answer> {
  try {
    // Opening a pipe waits for a writer who may never come.
    const found = await stat(path)
    if (!found.isFile()) return refuse('E_SECRET_UNREADABLE', `the secret file ${path} is not a regular file`, 'a file')
    await using file = await open(path, 'r')
    const content = Buffer.alloc(largestValueBytes + 2)
    let length = 0
    for (let bytesRead = -1; bytesRead !== 0 && length < content.length; length += bytesRead) {
      ;({ bytesRead } = await file.read(content, length, content.length - length, null))
    }
    const answer = accept(withoutLineEnd(content.toString('utf8', 0, length)), `the secret file ${path}`)
    const isOpen = (found.mode & 0o004) !== 0
    return answer.ok && isOpen
      ? { ...answer, warning: `the secret file ${path} can be read by every user of this machine: chmod 600 ${path}` }
      : answer
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    const why =
      code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'cannot be read (permission denied)' : `cannot be read (${code})`
    return refuse('E_SECRET_UNREADABLE', `the secret file ${path} ${why}`, null)
  }
}

/** Without a shell, with nothing on its standard input; what it says on standard error is its own affair and is not repeated. */
function fromCommand(
  command: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  options: ResolveOptions,
): Promise<Answer> {
  const [program = '', ...words] = command
  const limitMs = options.commandLimitMs ?? commandLimitMs
  const what = `the secret command ${program}`
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...environment },
      // A group of its own, so that whatever it starts ends with it.
      detached: true,
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
    })
    const chunks: Buffer[] = []
    let bytes = 0
    let refusal: Answer | null = null
    const give = (answer: Answer): void => {
      clearTimeout(timer)
      child.stdout.destroy()
      resolve(answer)
    }
    const end = (answer: Answer): void => {
      refusal = answer
      killGroup(child.pid)
      give(answer)
    }
    const timer = setTimeout(
      () =>
        end(refuse('E_SECRET_COMMAND', `${what} did not end within ${limitMs / 1000} s`, 'a command that asks nothing and ends')),
      limitMs,
    )
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > largestValueBytes + 1) end(tooLarge(what))
    })
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'is not there' : `cannot be started (${error.code ?? error.message})`
      give(refuse('E_SECRET_COMMAND', `${what} ${why}`, 'a program in the PATH, or a path that begins with ./ or /'))
    })
    child.on('close', (code, signal) => {
      if (refusal !== null) return
      if (code === 0) give(accept(withoutLineEnd(Buffer.concat(chunks).toString('utf8')), what))
      else
        give(
          refuse(
            'E_SECRET_COMMAND',
            `${what} failed: ${code === null ? `ended by ${signal}` : `exit code ${code}`}`,
            'exit code 0',
          ),
        )
    })
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself a moment ago.
  }
}

function accept(value: string, what: string): Answer {
  if (value === '') return refuse('E_SECRET_MISSING', `${what} gives an empty value`, 'a value')
  if (value.includes('\0')) return refuse('E_SECRET_VALUE', `${what} gives a value with a NUL byte in it`, 'text')
  if (Buffer.byteLength(value) > largestValueBytes) return tooLarge(what)
  return { ok: true, value, warning: null }
}

const tooLarge = (what: string): Answer =>
  refuse('E_SECRET_VALUE', `${what} gives more than ${largestValueBytes / 1024} KiB`, `at most ${largestValueBytes / 1024} KiB`)

const refuse = (code: string, message: string, allowed: string | null): Answer => ({
  ok: false,
  problem: { code, message, allowed },
})

const withoutLineEnd = (text: string): string => text.replace(/\r?\n$/, '')
