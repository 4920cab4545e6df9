/** The collector as a program of its own, with real pipes and programs that write to them; killed, stopped and starved. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { isRunning, kill, needsRoot, processesNaming, until as untilWithin } from '../../test/support/runtime-bed.ts'
import { often } from '../../test/thorough.ts'
import { collectorFlags } from '../system/daemon-flags.ts'
import { libc } from '../system/libc.ts'
import { announceOutput, makeOutputPipe, openOutputPipe, outputPipe } from './logs/output-pipe.ts'
import { readLog } from './logs/read-log.ts'
import { listSegments } from './logs/segments.ts'
import { writeNumber } from './slot-files.ts'
import { readText } from '../system/read-quietly.ts'

const program = fileURLToPath(new URL('log-collector.ts', import.meta.url))
const kib = 1024
/** A limit for hangs: a busy machine needs ten times as long as a quiet one. */
const until = (claim: () => boolean, what: string, limitMs: number = 60_000): Promise<void> => untilWithin(claim, what, limitMs)

class Bed {
  readonly state: string
  readonly #t: TestContext

  constructor(t: TestContext, state: string = mkdtempSync(join(tmpdir(), 'daruma-bed-'))) {
    this.#t = t
    this.state = state
    mkdirSync(join(state, 'host'))
    mkdirSync(join(state, 'slots'))
    // No daemon that could be brought up again.
    writeFileSync(join(state, 'host', 'supervised-by'), 'systemd\n')
    writeFileSync(join(state, 'host', 'collector.pid'), ' '.repeat(1024))
    t.after(async () => {
      for (const pid of processesNaming(state)) kill(pid)
      await until(() => processesNaming(state).length === 0, 'all ended')
      rmSync(state, { recursive: true, force: true })
    })
  }

  startCollector(): ChildProcess {
    const words = [...collectorFlags, program, this.state, '/bin/false', 'none', '/bin/false', '/usr/bin/flock']
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#t.after(() => kill(child.pid ?? 0))
    return child
  }

  /** Resolves when it has taken over. */
  async runCollector(): Promise<ChildProcess> {
    const child = this.startCollector()
    await until(() => this.identity().startsWith(`${child.pid} `), 'the collector has taken over')
    return child
  }

  identity(): string {
    return readFileSync(join(this.state, 'host', 'collector.pid'), 'utf8')
  }

  directory(slot: string): string {
    return join(this.state, 'slots', slot)
  }

  /** A pipe as the daemon makes and holds it. */
  open(slot: string, epoch: number, boundBytes?: number): number {
    mkdirSync(this.directory(slot), { recursive: true })
    if (boundBytes !== undefined) writeNumber(join(this.directory(slot), 'log.bound'), boundBytes)
    const home = join(this.directory(slot), `${epoch}`)
    makeOutputPipe(home, null)
    const pipe = openOutputPipe(home) ?? assert.fail('no pipe')
    this.#t.after(() => closeQuietly(pipe))
    announceOutput(this.state, `${slot}/${epoch}`)
    return pipe
  }

  /** A program on that pipe, as its keeper would start it. */
  run(slot: string, epoch: number, script: string): ChildProcess {
    const pipe = openSync(outputPipe(join(this.directory(slot), `${epoch}`)), constants.O_RDWR)
    const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', pipe, pipe] })
    closeSync(pipe)
    this.#t.after(() => kill(child.pid ?? 0))
    return child
  }

  /** Of the segments that are there; a collector at work removes the oldest. */
  text(slot: string): string {
    return listSegments(this.directory(slot))
      .map(({ path }) => readText(path))
      .join('')
  }

  bytesOnDisk(slot: string): number {
    const files = readdirSync(this.directory(slot)).filter((name) => name.startsWith('log.0'))
    return files.reduce(
      (sum, name) => sum + (statSync(join(this.directory(slot), name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
  }
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor)
  } catch {
    // The test has closed it.
  }
}

test('what is opened again by its name cuts nothing off, and both outputs keep their order', async (t) => {
  const bed = new Bed(t)
  bed.open('web.0', 1)
  await bed.runCollector()
  await once(bed.run('web.0', 1, 'echo one; echo two >/dev/stderr; echo three >/dev/stdout; echo four >&2'), 'exit')
  await until(() => bed.text('web.0').includes('four\n'), 'all is there')
  assert.equal(bed.text('web.0'), 'one\ntwo\nthree\nfour\n')
})

test('a program that has changed its user opens its own output again', { skip: needsRoot }, async (t) => {
  const bed = new Bed(t)
  bed.open('web.0', 1)
  await bed.runCollector()
  await once(bed.run('web.0', 1, "exec setpriv --reuid=65534 --clear-groups /bin/sh -c 'echo here >/dev/stderr'"), 'exit')
  await until(() => bed.text('web.0') !== '', 'it is there')
  assert.equal(bed.text('web.0'), 'here\n')
})

test('a collector that is killed again and again under twenty thousand lines a second loses none and doubles none', async (t) => {
  const bed = new Bed(t)
  const wantedKills = often({ usually: 12, thoroughly: 50 })
  // For longer than the kills take, on a machine that is not busy: else they would fall into silence.
  const lines = wantedKills * 5000
  bed.open('web.0', 1, 64 * 1024 * kib)
  let collector = await bed.runCollector()
  // In bursts of 20 lines, each a write of its own.
  const writer = spawn(
    'perl',
    [
      '-e',
      `use Time::HiRes qw(time sleep); $|=1; my $t=time; for my $i (0..${lines - 1}) { syswrite STDOUT, sprintf("line %d %s\\n", $i, "x" x ($i % 80)); next if $i % 20; my $ahead = $i/20000 - (time-$t); sleep $ahead if $ahead > 0 }`,
    ],
    { stdio: ['ignore', openSync(outputPipe(join(bed.directory('web.0'), '1')), constants.O_RDWR), 'ignore'] },
  )
  t.after(() => kill(writer.pid ?? 0))
  let kills = 0
  while (kills < wantedKills) {
    const before = bed.bytesOnDisk('web.0')
    await until(() => bed.bytesOnDisk('web.0') > before || writer.exitCode !== null, 'something comes')
    if (writer.exitCode !== null) break
    kill(collector.pid ?? 0)
    kills += 1
    collector = await bed.runCollector()
  }
  await until(() => writer.exitCode !== null, 'all is written', 120_000)
  assert.equal(writer.exitCode, 0)
  assert.ok(kills > wantedKills / 2, `${kills} kills`)
  await until(() => bed.text('web.0').endsWith(`line ${lines - 1} ${'x'.repeat((lines - 1) % 80)}\n`), 'all is there', 60_000)
  const expected = Array.from({ length: lines }, (_, index) => `line ${index} ${'x'.repeat(index % 80)}\n`).join('')
  assert.ok(bed.text('web.0') === expected, 'the log is exactly what was written')
})

test('what an instance wrote while no collector ran, and then ended, is there when one runs again', async (t) => {
  const bed = new Bed(t)
  const hold = bed.open('web.0', 1)
  await once(bed.run('web.0', 1, 'echo last words'), 'exit')
  await bed.runCollector()
  await until(() => bed.text('web.0') === 'last words\n', 'it is there')
  closeSync(hold)
})

test('what an instance wrote comes before what its successor writes, and each line knows whose it is', async (t) => {
  const bed = new Bed(t)
  bed.open('web.0', 1)
  bed.open('web.0', 2)
  await once(bed.run('web.0', 1, 'echo old; printf "no end"'), 'exit')
  await once(bed.run('web.0', 2, 'echo new'), 'exit')
  await bed.runCollector()
  await until(() => bed.text('web.0').endsWith('new\n'), 'all is there')
  const { entries } = await readLog(bed.directory('web.0'), { lines: 9 }, 1 << 20)
  assert.deepEqual(
    entries.map(({ text, epoch }) => [text, epoch]),
    [
      ['old', 1],
      ['no end', 1],
      ['new', 2],
    ],
  )
})

test('what a keeper saved while nothing else was alive stands in its place, once', async (t) => {
  const bed = new Bed(t)
  bed.open('web.0', 1)
  await once(bed.run('web.0', 1, 'echo old'), 'exit')
  const end = '\ndaruma: this was the output of keeper 17\n'
  writeFileSync(join(bed.directory('web.0'), '1.rest'), `saved\nno end${end}`)
  writeFileSync(join(bed.directory('web.0'), '2.rest'), end)
  // One that was killed between two of its steps.
  writeFileSync(join(bed.directory('web.0'), '3.rest'), 'third\n')
  bed.open('web.0', 4)
  await once(bed.run('web.0', 4, 'echo new'), 'exit')
  await bed.runCollector()
  await until(() => bed.text('web.0').endsWith('new\n'), 'all is there')
  assert.deepEqual(
    readdirSync(bed.directory('web.0')).filter((name) => name.endsWith('.rest')),
    [],
  )
  const { entries } = await readLog(bed.directory('web.0'), { lines: 9 }, 1 << 20)
  assert.deepEqual(
    entries.map(({ text, epoch }) => [text, epoch]),
    [
      ['saved', 1],
      ['no end', 1],
      ['third', 3],
      ['old', 1],
      ['new', 4],
    ],
  )
})

test('a program that writes as fast as it can never passes its bound', async (t) => {
  const bed = new Bed(t)
  const boundBytes = 1024 * kib
  bed.open('web.0', 1, boundBytes)
  await bed.runCollector()
  const yes = bed.run('web.0', 1, 'exec yes')
  let most = 0
  let written = 0
  await until(
    () => {
      most = Math.max(most, bed.bytesOnDisk('web.0'))
      written = listSegments(bed.directory('web.0')).at(-1)?.offset ?? 0
      return written > 30 * boundBytes
    },
    'thirty times the bound is written',
    60_000,
  )
  kill(yes.pid ?? 0)
  assert.ok(most <= boundBytes, `${most} of ${boundBytes}`)
})

test('an eighth of a gigabyte without a newline costs no memory and no more disk than the bound', async (t) => {
  const bed = new Bed(t)
  const boundBytes = 256 * kib
  bed.open('web.0', 1, boundBytes)
  const collector = await bed.runCollector()
  await once(bed.run('web.0', 1, 'head -c 134217728 /dev/zero; echo; echo end'), 'exit')
  await until(() => bed.text('web.0').endsWith('\nend\n'), 'all is there', 60_000)
  assert.ok(bed.bytesOnDisk('web.0') <= boundBytes)
  const peakKib = Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${collector.pid}/status`, 'utf8'))?.[1])
  assert.ok(peakKib < 100 * kib, `${peakKib} KiB`)
  const { entries } = await readLog(bed.directory('web.0'), { lines: 1 }, 1 << 20)
  assert.deepEqual(
    entries.map(({ text }) => text),
    ['end'],
  )
})

test('a full disk keeps no program waiting: the oldest gives way, and what is lost is told', { skip: needsRoot }, async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', state]).status, 0)
  t.after(() => spawnSync('umount', ['-l', state]))
  const bed = new Bed(t, state)
  bed.open('web.0', 1, 2 * 1024 * kib)
  await bed.runCollector()
  const numbers = (from: number, to: number): string => `seq -f 'line %.0f of a full disk' ${from} ${to}`
  // More than the disk holds: the log lives within it, and keeps what is newest.
  await once(bed.run('web.0', 1, numbers(1, 100_000)), 'exit')
  await until(() => bed.text('web.0').endsWith('line 100000 of a full disk\n'), 'the newest is there')
  // Nothing is left: not for this log either.
  const filler = join(state, 'filler')
  for (const { path } of listSegments(bed.directory('web.0'))) rmSync(path)
  fill(filler)
  await once(bed.run('web.0', 1, numbers(200_001, 300_000)), 'exit')
  truncateSync(filler)
  await once(bed.run('web.0', 1, 'echo there is room again'), 'exit')
  await until(() => bed.text('web.0').endsWith('there is room again\n'), 'it is there')
  const { entries } = await readLog(bed.directory('web.0'), { offset: 0 }, 1 << 20)
  assert.ok(
    entries.some(({ droppedBytes }) => droppedBytes > 1_000_000),
    'the loss is told',
  )
})

function fill(path: string): void {
  const file = openSync(path, 'w')
  const block = Buffer.alloc(64 * kib)
  try {
    for (;;) if (writeSync(file, block) === 0) return
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    closeSync(file)
  }
}

test('a stopped collector keeps programs waiting, and goes on where it was', async (t) => {
  const bed = new Bed(t)
  bed.open('web.0', 1, 16 * 1024 * kib)
  const collector = await bed.runCollector()
  kill(collector.pid ?? 0, 'SIGSTOP')
  const writer = bed.run('web.0', 1, 'seq 1 100000')
  await until(() => pipeIsFull(bed), 'the pipe is full')
  assert.equal(writer.exitCode, null)
  kill(collector.pid ?? 0, 'SIGCONT')
  await until(() => bed.text('web.0').endsWith('\n100000\n'), 'all is there')
  assert.equal(bed.text('web.0').split('\n').length, 100_001)
})

function pipeIsFull(bed: Bed): boolean {
  const pipe = openOutputPipe(join(bed.directory('web.0'), '1')) ?? assert.fail('no pipe')
  try {
    return libc().unreadBytes(pipe) >= 60 * kib
  } finally {
    closeSync(pipe)
  }
}

test('there is one collector for a state directory, however many are started', async (t) => {
  const bed = new Bed(t)
  const first = await bed.runCollector()
  const second = bed.startCollector()
  await once(second, 'exit')
  assert.equal(second.exitCode, 0)
  assert.equal(isRunning(first.pid ?? 0), true)
})

test('after a wanted stop it stays while an instance may write, and then ends', async (t) => {
  const bed = new Bed(t)
  const hold = bed.open('web.0', 1)
  const program = bed.run('web.0', 1, 'read line </dev/null; exec sleep 1000')
  const collector = await bed.runCollector()
  closeSync(hold)
  writeFileSync(join(bed.state, 'host', 'stopped'), '')
  for (let round = 0; round < 5; round += 1) announceOutput(bed.state, '')
  await once(bed.run('web.0', 1, 'echo still there'), 'exit')
  await until(() => bed.text('web.0') === 'still there\n', 'it is taken')
  assert.equal(collector.exitCode, null)
  kill(program.pid ?? 0)
  await until(() => collector.exitCode !== null, 'it ended')
  assert.equal(collector.exitCode, 0)
})

test('of more instances than files may be open, those that have to wait are read later', async (t) => {
  const bed = new Bed(t)
  const slots = Array.from({ length: 30 }, (_, index) => `web.${index}`)
  const holds = slots.map((slot) => bed.open(slot, 1))
  const words = [...collectorFlags, program, bed.state, '/bin/false', 'none', '/bin/false', '/usr/bin/flock']
  const child = spawn('/bin/sh', ['-c', 'ulimit -n 48; exec "$0" "$@"', process.execPath, ...words], { stdio: 'ignore' })
  t.after(() => kill(child.pid ?? 0))
  await Promise.all(slots.map((slot) => once(bed.run(slot, 1, `echo ${slot}`), 'exit')))
  const isThere = (slot: string): boolean => bed.text(slot) === `${slot}\n`
  await until(() => slots.filter(isThere).length >= 5, 'the first are there')
  assert.ok(slots.filter(isThere).length < slots.length, 'some have to wait')
  const released = new Set<string>()
  await until(
    () => {
      for (const [index, slot] of slots.entries()) {
        if (released.has(slot) || !isThere(slot)) continue
        released.add(slot)
        closeSync(holds[index] ?? 0)
      }
      return released.size === slots.length
    },
    'all are there',
    60_000,
  )
  assert.equal(isRunning(child.pid ?? 0), true)
})

test('a letter box that somebody has removed is made again, and nothing is missed', async (t) => {
  const bed = new Bed(t)
  const collector = await bed.runCollector()
  const box = join(bed.state, 'host', 'collector.box')
  // Made is not opened: in between it could not be taken away from somebody who has it.
  await until(() => hasOpen(collector.pid ?? 0, box), 'it has a letter box')
  rmSync(box)
  bed.open('web.0', 1)
  await once(bed.run('web.0', 1, 'echo here'), 'exit')
  await until(() => existsSync(bed.directory('web.0')) && bed.text('web.0') === 'here\n', 'it is there', 30_000)
})

const hasOpen = (pid: number, path: string): boolean =>
  readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${descriptor}`) === path
    } catch {
      return false
    }
  })

test("the daemon's own log is kept within its bound while it is written to", async (t) => {
  const bed = new Bed(t)
  const log = join(bed.state, 'daemon.log')
  const writer = openSync(log, 'a')
  t.after(() => closeSync(writer))
  const line = `${'x'.repeat(99)}\n`
  writeSync(writer, line.repeat(200_000))
  await bed.runCollector()
  await until(() => statSync(log).size < 16 * 1024 * kib, 'it is bounded')
  writeSync(writer, 'the end\n')
  assert.equal(readFileSync(log, 'utf8').endsWith(`${line}the end\n`), true)
})
