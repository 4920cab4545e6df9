/**
 * Schedules that are due in one and the same second: from the tick until the last of their programs did its first action. The programs
 * are as small as programs can be, so what is measured is what starting a run costs. Each must run, and none may run twice.
 */

import { closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Machine } from '../test/daemon-harness.ts'
import { cpuSecondsOf, median, type Row } from './measure.ts'

const rounds = 5

export async function ticks(): Promise<readonly Row[]> {
  return [
    ...(await measure({ count: 200, everySeconds: 15, targetMs: 1000 })),
    ...(await measure({ count: 1000, everySeconds: 30, targetMs: 5000 })),
    ...(await measure({ count: 200, everySeconds: 30, targetMs: 1500, deletedFiles })),
    ...(await measure({ count: 1000, everySeconds: 60, targetMs: 7500, deletedFiles })),
  ]
}

/** On some disks making files is dear for minutes after so many were deleted. */
const deletedFiles = 50_000
const filesPerFolder = 1000
/** With files to delete before each. */
const roundsAfterDeletions = 2

interface Ask {
  readonly count: number
  readonly everySeconds: number
  readonly targetMs: number
  /** So many files are made and deleted before each round, on the disk where the state is. */
  readonly deletedFiles?: number
}

interface Round {
  readonly lastMs: number
  readonly medianMs: number
  readonly cpuSeconds: number
  readonly missing: number
  readonly doubled: number
}

/** `count` schedules, all due every `everySeconds`; a round for each time. */
async function measure({ count, everySeconds, targetMs, deletedFiles: deleted = 0 }: Ask): Promise<readonly Row[]> {
  await using machine = new Machine()
  const pipe = join(machine.workshop, 'first-action')
  if (spawnSync('mkfifo', [pipe]).status !== 0) throw new Error('mkfifo failed')
  // For writing too: otherwise the pipe would end with its first writer.
  const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  try {
    const schedule = { cron: `*/${everySeconds} * * * * *`, timezone: 'UTC', keep: 1 }
    // One program and no second: the shell's own `echo`.
    const script = join(machine.workshop, 'first-action.sh')
    writeFileSync(script, 'echo "$DARUMA_SLOT" >"$FIRST_ACTION"\n')
    const service = {
      command: ['/bin/sh', script],
      environment: { FIRST_ACTION: pipe },
      schedule,
    }
    await machine.up(Object.fromEntries(Array.from({ length: count }, (_, index) => [`tick-${index}`, service])))
    const daemon = [await machine.findOne('daemon')]
    await roundAt(nextTickMs(everySeconds), descriptor, count, everySeconds)
    const played: Round[] = []
    for (let round = 0; round < (deleted > 0 ? roundsAfterDeletions : rounds); round += 1) {
      deleteFiles(join(machine.workshop, 'many'), deleted)
      const tickMs = nextTickMs(everySeconds)
      await sleep(tickMs - Date.now() - 200)
      const before = cpuSecondsOf(daemon)
      const { arrivals, missing, doubled } = await roundAt(tickMs, descriptor, count, everySeconds)
      played.push({
        lastMs: Math.max(...arrivals),
        medianMs: median(arrivals),
        cpuSeconds: cpuSecondsOf(daemon) - before,
        missing,
        doubled,
      })
    }
    return rowsOf(deleted > 0 ? `right after ${deleted} deletions, ` : '', count, played, targetMs)
  } finally {
    closeSync(descriptor)
  }
}

const nextTickMs = (everySeconds: number): number => Math.ceil((Date.now() + 500) / (everySeconds * 1000)) * everySeconds * 1000

/** Listens until shortly before the tick after this one, so that whoever ran twice is heard twice. */
async function roundAt(
  tickMs: number,
  descriptor: number,
  count: number,
  everySeconds: number,
): Promise<{ readonly arrivals: readonly number[]; readonly missing: number; readonly doubled: number }> {
  const heard = new Map<string, number>()
  const buffer = Buffer.alloc(1 << 16)
  const name = new Date(tickMs).toISOString().replace('.000Z', 'Z')
  const arrivals: number[] = []
  let rest = ''
  let total = 0
  while (Date.now() < tickMs + everySeconds * 1000 - 700) {
    let bytes = 0
    try {
      bytes = readSync(descriptor, buffer)
    } catch {
      // Nothing there.
    }
    const now = Date.now() - tickMs
    const lines = (rest + buffer.toString('latin1', 0, bytes)).split('\n')
    rest = lines.pop() ?? ''
    for (const slot of lines) {
      if (!slot.endsWith(`/${name}`)) continue
      heard.set(slot, (heard.get(slot) ?? 0) + 1)
      arrivals.push(now)
      total += 1
    }
    if (bytes === 0) await sleep(arrivals.length > 0 && heard.size < count ? 3 : 20)
  }
  // On a machine that is busy with other things the last may come after the next tick; they count as never.
  for (let missing = count - heard.size; missing > 0; missing -= 1) arrivals.push(everySeconds * 1000)
  return { arrivals, missing: count - heard.size, doubled: total - heard.size }
}

function deleteFiles(folder: string, count: number): void {
  for (let made = 0; made < count; made += filesPerFolder) {
    const room = join(folder, `${made}`)
    mkdirSync(room, { recursive: true })
    for (let file = 0; file < filesPerFolder; file += 1) writeFileSync(join(room, `${file}`), 'x')
  }
  if (count === 0) return
  // The disk has had them, not only its memory.
  spawnSync('sync', ['-f', folder])
  rmSync(folder, { recursive: true })
}

function rowsOf(when: string, count: number, played: readonly Round[], targetMs: number): readonly Row[] {
  const name = `${when}${count} schedules due in one second`
  const told = { target: null, met: null, against: null, ratio: null } as const
  const lastMs = median(played.map((round) => round.lastMs))
  const missing = played.reduce((sum, round) => sum + round.missing, 0)
  const doubled = played.reduce((sum, round) => sum + round.doubled, 0)
  return [
    { ...told, name: `${name}: the last has begun`, value: lastMs, unit: 'ms', target: targetMs, met: lastMs < targetMs },
    { ...told, name: `${name}: the middle one`, value: median(played.map((round) => round.medianMs)), unit: 'ms' },
    { ...told, name: `${name}: begun twice`, value: doubled, unit: 'runs', target: 0, met: doubled === 0, goal: 'at most' },
    {
      ...told,
      name: `${name}: not begun by the next tick`,
      value: missing,
      unit: 'runs',
      target: 0,
      met: missing === 0,
      goal: 'at most',
    },
    { ...told, name: `${name}: CPU of the daemon`, value: median(played.map((round) => round.cpuSeconds)), unit: 's' },
  ]
}
