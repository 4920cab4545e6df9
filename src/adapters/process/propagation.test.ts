/** A file system that the host unmounts is let go by what runs: else its disk stays busy until the last instance has ended. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { RuntimeBed, hostScripts, isRunning, needsRoot, processesNaming } from '../../../test/support/runtime-bed.ts'

/** As a text, because all of it lives in a mount namespace in which mounts are shared, as systemd has them on every host. */
const daemonOf = (bed: RuntimeBed): string => `
  import { createProcessRuntime } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
  const runtime = await createProcessRuntime({ stateDirectory: ${JSON.stringify(bed.state)}, stateId: ${JSON.stringify(bed.stateId)}, scripts: ${JSON.stringify(hostScripts)}, checkpoint: null, log: { write() {} } })
  await runtime.discover((event) => { if (event.kind === 'started') console.log(event.pid) })
  await runtime.start(${JSON.stringify(bed.order(1, ['sleep', '1000']))})
  setInterval(() => {}, 1000)
`

test(
  'a file system that the host unmounts is unmounted in what runs and in keepers that stand by, and one that it mounts is seen',
  { skip: needsRoot },
  async (t) => {
    let daemon: ChildProcess | null = null
    // Before the bed's own hook, which would find new keepers as long as a daemon makes them.
    t.after(() => daemon?.kill('SIGKILL'))
    const bed = await RuntimeBed.open(t)
    if (!bed.runtime.guarantees().namespaces) return t.skip('no PID namespaces')
    await bed.runtime[Symbol.asyncDispose]()
    const [disk, later] = [bed.path('disk'), bed.path('later')]
    mkdirSync(disk)
    mkdirSync(later)
    const node = [process.execPath, '--input-type=module-typescript', '-e', daemonOf(bed)]
    const script = 'mount -t tmpfs disk "$1" && shift && exec "$@"'
    const words = ['--mount', '--propagation', 'shared', 'sh', '-c', script, 'sh', disk, ...node]
    const own = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] })
    daemon = own
    const said = await new Promise<string>((resolve, reject) => {
      own.stdout.once('data', (data: Buffer) => resolve(data.toString()))
      own.once('exit', (code, signal) => reject(new Error(`the daemon has ended: ${signal ?? code}`)))
    })
    const pid = Number(said)
    const host = (...command: readonly string[]): void => {
      const { status, stderr } = spawnSync('nsenter', ['--target', `${own.pid}`, '--mount', '--', ...command], {
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr)
    }
    const holds = (each: number, path: string): boolean => readMounts(each).includes(` ${path} `)
    const all = (): readonly number[] => [pid, ...processesNaming(bed.state)].filter((each) => isRunning(each))
    const inside = all().filter((each) => holds(each, disk))
    assert.ok(inside.includes(pid), 'it is seen inside')
    host('umount', disk)
    assert.deepEqual(
      all().filter((each) => holds(each, disk)),
      [],
      'nobody has it any more',
    )
    host('mount', '-t', 'tmpfs', 'later', later)
    assert.ok(holds(pid, later))
    host('umount', later)
    assert.ok(!holds(pid, later))
  },
)

/** Empty when it has ended. */
function readMounts(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    return ''
  }
}
