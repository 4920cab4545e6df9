/**
 * One service that prints 50,000 lines a second for a minute, each in a write of its own: what is lost, what the log takes on the disk,
 * and what taking it in costs, beside those who do nothing else. CPU is that of the process that takes the lines in: the program's own
 * is everybody's alike.
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  createReadStream,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { libc } from '../src/system/libc.ts'
import { listSegments } from '../src/host/logs/segments.ts'
import { Machine } from '../test/daemon-harness.ts'
import { makeWorkshop } from '../test/clean-up.ts'
import { identify, until, type ProcessId } from '../test/processes.ts'
import { compare, cpuSecondsOf, reportOne, type Row, type Sample } from './measure.ts'

const linesPerSecond = 50_000
const seconds = 60
const lines = linesPerSecond * seconds
const lineBytes = 100
const writer = join(import.meta.dirname, 'log-writer.pl')
const mebibyte = 1024 * 1024
/** Enough for all of it, so that each line can be looked for. */
const allBytes = 1024 * mebibyte
/** A usual one: most of what is written is removed again. */
const boundBytes = 16 * mebibyte
/** A bound may be passed by so much. */
const segmentBytes = boundBytes / 8

export async function logs(): Promise<readonly Row[]> {
  const whole = await measureOurs(allBytes)
  const bounded = await measureOurs(boundBytes)
  const peers = [await measurePeer('svlogd'), await measurePeer('multilog')].filter((peer) => peer !== null)
  const cpu: Sample[] = [{ who: 'daruma', value: bounded.cpuSeconds }, ...peers]
  return [
    reportOne('lines lost of 3,000,000', whole.lost, 'lines', { target: 0, goal: 'at most' }),
    reportOne('lines out of order or twice', whole.disturbed, 'lines', { target: 0, goal: 'at most' }),
    reportOne('the program took, at its own pace 60 s', whole.tookSeconds, 's', null),
    reportOne('most on the disk under a bound of 16 MiB', bounded.mostBytes / mebibyte, 'MB', {
      target: (boundBytes + segmentBytes) / mebibyte,
      goal: 'at most',
    }),
    ...compare('CPU for 3,000,000 lines, with their times', 's', null, cpu),
    reportOne('the same where all is kept', whole.cpuSeconds, 's', null),
  ]
}

interface Seen {
  readonly lost: number
  readonly disturbed: number
  readonly tookSeconds: number
  readonly mostBytes: number
  readonly cpuSeconds: number
}

async function measureOurs(maxBytes: number): Promise<Seen> {
  await using machine = new Machine()
  const began = performance.now()
  await machine.up({
    writer: {
      command: `perl ${writer} ${lines} ${linesPerSecond}; echo the end; exec sleep 100000`,
      singleton: true,
      logs: { maxSize: `${maxBytes / mebibyte}MiB` },
    },
  })
  const directory = join(machine.state, 'slots', 'writer.0')
  let mostBytes = 0
  const total = lines * lineBytes + 'the end\n'.length
  const written = (): number => {
    const last = listSegments(directory).at(-1)
    return last === undefined ? 0 : last.offset + (statSync(last.path, { throwIfNoEntry: false })?.size ?? 0)
  }
  await until(
    'all is written',
    seconds * 10_000,
    () => {
      mostBytes = Math.max(mostBytes, bytesOf(directory, /^log\./))
      return written() >= total
    },
    10,
  )
  const tookSeconds = (performance.now() - began) / 1000
  const cpuSeconds = cpuSecondsOf(machine.find('collector'))
  const { found, disturbed } = maxBytes === allBytes ? await check(directory) : { found: lines, disturbed: 0 }
  return { lost: lines - found, disturbed, tookSeconds, mostBytes, cpuSeconds }
}

/** Every line has its number in front. */
async function check(directory: string): Promise<{ readonly found: number; readonly disturbed: number }> {
  let found = 0
  let disturbed = 0
  let rest = ''
  for (const { path } of listSegments(directory)) {
    for await (const piece of createReadStream(path, { encoding: 'latin1', highWaterMark: mebibyte })) {
      const parts = (rest + String(piece)).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        if (part === 'the end') continue
        if (Number(part.slice(0, 13)) !== found || part.length !== lineBytes - 1) disturbed += 1
        found += 1
      }
    }
  }
  return { found, disturbed }
}

/** From Debian's runit and daemontools; both put the time before each line. */
const peerCommands = {
  svlogd: (folder: string): readonly string[] => {
    writeFileSync(join(folder, 'config'), `s${boundBytes / 8}\nn7\n`)
    return ['svlogd', '-tt', folder]
  },
  multilog: (folder: string): readonly string[] => ['multilog', 't', `s${boundBytes / 8}`, 'n7', folder],
}

async function measurePeer(name: keyof typeof peerCommands): Promise<Sample | null> {
  if (spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0) {
    console.error(`${name} is not installed here (Debian: runit, daemontools), so it is left out`)
    return null
  }
  const folder = join(makeWorkshop(), name)
  mkdirSync(folder)
  try {
    // A pipe, as ours is: what Node calls one is a socket.
    const path = join(folder, '..', 'pipe')
    libc().makePipe(path, 0o600)
    const hold = openSync(path, constants.O_RDWR)
    const reading = openSync(path, constants.O_RDONLY)
    const [program = '', ...words] = peerCommands[name](folder)
    const peer = spawn(program, words, { stdio: [reading, 'ignore', 'inherit'] })
    const print = spawn('perl', [writer, `${lines}`, `${linesPerSecond}`], { stdio: ['ignore', hold, 'inherit'] })
    const id: ProcessId | null = identify(peer.pid ?? 0)
    if (id === null) throw new Error(`${name} has ended`)
    await once(print, 'exit')
    await until('all is taken', 60_000, () => libc().unreadBytes(hold) === 0)
    const cpuSeconds = cpuSecondsOf([id])
    closeSync(reading)
    // With its last writer it ends.
    closeSync(hold)
    await once(peer, 'exit')
    return { who: name, value: cpuSeconds }
  } finally {
    rmSync(join(folder, '..'), { recursive: true, force: true })
  }
}

function bytesOf(directory: string, names: RegExp): number {
  return readdirSync(directory)
    .filter((name) => names.test(name))
    .reduce((sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}
