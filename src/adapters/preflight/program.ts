/**
 * The programs that a service's command names, looked for as the kernel and the shell will: along the PATH that the service gets, not
 * along ours. Of a command in a string only what a shell is certain to run is looked for.
 */

import { open, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { shellPrograms, type ShellProgram } from '../../core/model/shell-programs.ts'
import type { Process, Service } from '../../core/model/service.ts'
import { servicePath } from '../../core/model/service-path.ts'

export interface ProgramOptions {
  readonly service: Service
  readonly runs: Process
  readonly nodeDirectory: string
  /** Whether the service will find at this path what we find there. */
  readonly isSeen: (path: string) => boolean
}

/** One sentence for each that is missing, or cannot be run; nothing of what cannot be told. */
export async function explainPrograms(options: ProgramOptions): Promise<readonly string[]> {
  const faults: string[] = []
  for (const { word, isInPlace } of programsOf(options.runs)) {
    // Where a shell has gone is not followed.
    const isFound = isInPlace || !word.includes('/') || word.startsWith('/')
    const fault = isFound ? await explainProgram(word, options) : null
    if (fault !== null && !faults.includes(fault)) faults.push(fault)
  }
  return faults
}

async function explainProgram(word: string, { service, runs, nodeDirectory, isSeen }: ProgramOptions): Promise<string | null> {
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

function programsOf({ command }: Process): readonly ShellProgram[] {
  const [first, flag, text] = command
  if (first === '/bin/sh' && flag === '-c' && text !== undefined && command.length === 3) return shellPrograms(text)
  return first === undefined ? [] : [{ word: first, isInPlace: true }]
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
