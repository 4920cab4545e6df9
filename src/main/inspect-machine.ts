/** What `doctor` can see without a daemon: what this machine would promise, asked of the same code that a daemon would ask. */

import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stderrLog } from '../adapters/node/log.ts'
import { createProcessRuntime } from '../adapters/process/index.ts'
import type { DoctorAnswer, Finding } from '../protocol/api.ts'
import { examineEngine, findEngineFault } from '../adapters/docker/engine/sockets.ts'
import { balancerFinding } from './balancers.ts'
import { engineFinding, runtimeFindings } from './examine.ts'

export async function inspectMachine(state: string): Promise<DoctorAnswer> {
  return {
    findings: [
      await kernelFinding(),
      await clockFinding(),
      ...(await guaranteeFindings()),
      await diskFinding(state),
      await containerFinding(),
      balancerFinding(null),
    ],
  }
}

async function kernelFinding(): Promise<Finding> {
  const release = (await readText('/proc/sys/kernel/osrelease')) ?? process.platform
  return process.platform === 'linux'
    ? { name: 'kernel', state: 'good', message: `Linux ${release.trim()}`, hint: null }
    : {
        name: 'kernel',
        state: 'weak',
        message: `${process.platform}: process groups only, no cgroups`,
        hint: 'Strict services need Linux.',
      }
}

/** Only monotonic clocks decide, so a wrong time of day harms nothing but the timestamps of events. */
async function clockFinding(): Promise<Finding> {
  const source = await readText('/sys/devices/system/clocksource/clocksource0/current_clocksource')
  return {
    name: 'clock',
    state: 'good',
    message: `decisions use the monotonic clock (${source?.trim() ?? 'source unknown'})`,
    hint: null,
  }
}

/** A runtime on a directory of its own, which it never starts anything in. */
async function guaranteeFindings(): Promise<readonly Finding[]> {
  const directory = await mkdtemp(join(tmpdir(), 'daruma-doctor-'))
  try {
    const scripts = fileURLToPath(new URL('../host', import.meta.url))
    const stateId = 'd0c70400'
    await using runtime = await createProcessRuntime({
      stateDirectory: directory,
      stateId,
      scripts,
      checkpoint: null,
      log: stderrLog,
    })
    return runtimeFindings(runtime)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function containerFinding(): Promise<Finding> {
  const { env } = process
  return engineFinding({ examine: () => examineEngine(env), findFault: () => findEngineFault(env) }, false)
}

const lowDiskBytes = 64 * 2 ** 20

async function diskFinding(state: string): Promise<Finding> {
  for (let folder = state; ; folder = dirname(folder)) {
    const space = await statfs(folder).catch(() => null)
    if (space === null && dirname(folder) !== folder) continue
    const freeBytes = space === null ? 0 : space.bavail * space.bsize
    const message = `${Math.round(freeBytes / 2 ** 20)} MiB free for ${state}`
    return { name: 'disk', state: freeBytes < lowDiskBytes ? 'bad' : 'good', message, hint: null }
  }
}

const readText = (file: string): Promise<string | null> => readFile(file, 'utf8').catch(() => null)
