/**
 * The program that a service's command names, looked for as the kernel and the shell will: along the PATH that the service gets, not
 * along ours. A command in a string is looked into only where it is one simple command.
 */

import { open, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { launchWords } from '../../core/model/shell-command.ts'
import type { Process, Service } from '../../core/model/service.ts'
import { servicePath } from '../../core/model/service-path.ts'

export interface ProgramOptions {
  readonly service: Service
  readonly runs: Process
  readonly nodeDirectory: string
  /** Whether the service will find at this path what we find there. */
  readonly isSeen: (path: string) => boolean
}

/** Null when it is there, or cannot be told. */
export async function explainProgram({ service, runs, nodeDirectory, isSeen }: ProgramOptions): Promise<string | null> {
  const word = programOf(service, runs)
  if (word === null) return null
  const fileOf = (name: string): string => resolve(runs.directory, name)
  if (word.includes('/')) return isSeen(fileOf(word)) ? explainFile(word, fileOf(word)) : null
  const path = service.environment['PATH'] ?? servicePath(nodeDirectory)
  let unusable: string | null = null
  for (const folder of path.split(':')) {
    const file = fileOf(join(folder === '' ? '.' : folder, word))
    const fault = isSeen(file) ? await explainFile(word, file) : null
    if (fault === null) return null
    if (!fault.endsWith(absent)) unusable ??= fault
  }
  return unusable ?? `the program ${word} is not in its PATH (${shorten(path)})`
}

/** A shell's own words, and everything that only it can expand, are left to it. */
function programOf({ stop }: Service, { command }: Process): string | null {
  const words = launchWords(command, stop.signal)
  const [first, flag, text] = words
  if (first !== '/bin/sh' || flag !== '-c' || text === undefined || words.length > 3) return first ?? null
  return text.startsWith('exec ') ? (text.split(/\s+/)[1] ?? null) : null
}

const absent = 'does not exist'

async function explainFile(word: string, file: string): Promise<string | null> {
  const shown = word === file ? file : `${word} (${file})`
  try {
    const found = await stat(file)
    if (!found.isFile()) return `the program ${shown} is not a file`
    if ((found.mode & 0o111) === 0) return `the program ${shown} is not executable: chmod +x ${file}`
    return await explainInterpreter(shown, file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? `the program ${shown} ${absent}` : null
  }
}

/** A script whose first line names nothing is "not found" to the kernel, which misleads everybody (execve(2), interpreter scripts). */
async function explainInterpreter(shown: string, file: string): Promise<string | null> {
  const head = await readHead(file)
  const interpreter = /^#![ \t]*(\/[^ \t\r\n]+)(\r?)/.exec(head)
  if (interpreter === null) return null
  const [, program = '', carriage] = interpreter
  if (carriage === '\r') return `the first line of ${shown} ends as in DOS (CR LF), so that ${program} is not found`
  const isThere = await stat(program).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  )
  return isThere ? null : `${shown} is a script for ${program}, which ${absent}`
}

async function readHead(file: string): Promise<string> {
  try {
    await using opened = await open(file, 'r')
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(256), 0, 256, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } catch {
    return ''
  }
}

const shorten = (path: string): string => (path.length <= 200 ? path : `${path.slice(0, 199)}…`)
