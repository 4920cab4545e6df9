/**
 * The collector, a program of its own: one for each state directory, alive also while no daemon is. It takes in what instances write
 * ({@link Collector}), keeps the daemon's own log within its bound, and gets a dead supervisor up again. It may be killed at any moment;
 * the daemon starts another one.
 *
 * Arguments: state-directory node entry supervisor-script flock digest(of this program: for anything that looks which one runs)
 */

import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { libc } from '../system/libc.ts'
import { Collector } from './logs/collector.ts'
import { bootMs, isAlive, parseProcessStat } from '../system/process-stat.ts'
import { readText } from '../system/read-quietly.ts'

const [state = '', node = '', entry = '', supervisor = '', flock = ''] = process.argv.slice(2)
const host = join(state, 'host')
const daemonLog = join(state, 'daemon.log')

/** A daemon whose supervisor died with it is away for as long. */
const tendIntervalMs = 5000
const daemonLogBytes = 16 * 1024 * 1024
/** Whole blocks of any file system. */
const cutUnitBytes = 1024 * 1024

process.chdir('/')
process.umask(0o077)
if (takeLock()) run()

function takeLock(): boolean {
  // Held until this process ends.
  if (!libc().lock(openSync(join(host, 'collector.lock'), 'a', 0o600))) return false
  // Known by process id and start time to anything that looks whether it lives. In place, so that a full disk cannot prevent it.
  const identity = openSync(join(host, 'collector.pid'), 'r+')
  writeSync(identity, readText('/proc/self/stat'), 0)
  closeSync(identity)
  return true
}

function run(): void {
  const collector = new Collector(state, (message) => void process.stderr.write(`daruma: ${message}\n`))
  let tendAtMs = bootMs()
  while (isNeeded(collector)) {
    if (bootMs() >= tendAtMs) {
      tendAtMs = bootMs() + tendIntervalMs
      collector.tend()
      boundDaemonLog()
      getSupervisorUp()
    }
    collector.round(Math.max(1, Math.ceil(tendAtMs - bootMs())))
  }
}

/** After a wanted stop the instances may run on, and then so must this. */
function isNeeded(collector: Collector): boolean {
  if (!existsSync(host)) return false
  return collector.openPipes > 0 || !existsSync(join(host, 'stopped'))
}

function getSupervisorUp(): void {
  if (existsSync(join(host, 'stopped')) || existsSync(join(host, 'supervised-by'))) return
  const known = parseProcessStat(readText(join(host, 'supervisor.pid')))
  if (known !== null && isAlive(known)) return
  // One too many is harmless: it finds the supervisor's lock held and leaves.
  const log = openSync(daemonLog, 'a', 0o600)
  spawnSync('setsid', ['--fork', '/bin/sh', supervisor, state, node, entry, flock], { stdio: ['ignore', log, log], cwd: '/' })
  closeSync(log)
}

/** All who write it append, so what is taken away in front disturbs nobody. */
function boundDaemonLog(): void {
  if (!existsSync(daemonLog)) return
  const file = openSync(daemonLog, 'a+')
  try {
    const { size } = fstatSync(file)
    const tooMany = Math.floor((size - daemonLogBytes / 2) / cutUnitBytes) * cutUnitBytes
    if (size <= daemonLogBytes || libc().cutFront(file, tooMany)) return
    // Where the file system cannot: what was written between these two lines is lost.
    const kept = Buffer.alloc(size - tooMany)
    readSync(file, kept, 0, kept.length, tooMany)
    ftruncateSync(file)
    writeSync(file, kept)
  } finally {
    closeSync(file)
  }
}
