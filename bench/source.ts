/**
 * Releases of 10,000 files: the first one beside rsync, which copies and promises nothing of a power cut, and beside rsync with the sync
 * that ours ends with; one changed file; and the `up` that finds nothing changed. Whole processes; the daemon runs already.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Machine } from '../test/daemon-harness.ts'
import { compare, median, type Row } from './measure.ts'

const files = 10_000
const rounds = 5
/** What was written just now is read again by the next command: it could have been written twice within one tick of a clock. */
const settleMs = 4000

export async function source(): Promise<readonly Row[]> {
  await using machine = new Machine()
  const folder = join(machine.config, '../app')
  machine.writeConfig({ app: { source: './app', command: ['sleep', '1000000'], update: { minReady: '0s', drain: '0s' } } })
  mkdirSync(folder)
  await machine.up()
  const first: number[] = []
  const copied: number[] = []
  const synced: number[] = []
  const target = join(machine.workshop, 'copy')
  for (let round = 0; round < rounds; round += 1) {
    writeTree(folder, round)
    // What was written before is on its way to the disk; each has the disk for itself.
    await sleep(settleMs)
    first.push(await timeUp(machine))
    await sleep(settleMs)
    copied.push(time(() => run('rsync', ['-a', `${folder}/`, `${target}-a`])))
    await sleep(settleMs)
    synced.push(
      time(() => {
        run('rsync', ['-a', `${folder}/`, `${target}-b`])
        run('sync', ['--file-system', `${target}-b`])
      }),
    )
    for (const name of ['a', 'b']) rmSync(`${target}-${name}`, { recursive: true, force: true })
  }
  await sleep(settleMs)
  await timeUp(machine)
  const again: number[] = []
  for (let round = 0; round < rounds; round += 1) again.push(await timeUp(machine))
  const one: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    writeFileSync(join(folder, 'changed.js'), `export const round = ${round}\n`)
    one.push(await timeUp(machine))
  }
  return [
    ...compare(`up with ${files} unchanged files`, 'ms', 1000, [{ who: 'daruma', value: median(again) }]),
    ...compare(`first release of ${files} files: up, until it runs`, 'ms', null, [
      { who: 'daruma', value: median(first) },
      { who: 'rsync -a, sync', value: median(synced) },
      { who: 'rsync -a', value: median(copied) },
    ]),
    ...compare(`release with 1 of ${files} files changed: up, until it runs`, 'ms', null, [
      { who: 'daruma', value: median(one) },
    ]),
  ]
}

/** Some 20 MB in 700 folders; every content is new with each round. */
function writeTree(folder: string, round: number): void {
  for (let index = 0; index < files; index += 1) {
    const directory = join(folder, `d${index % 100}`, `s${index % 7}`)
    if (index < 700) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `f${index}.js`), `// ${round} ${index}\n${'export const x = 1\n'.repeat(index % 200)}`)
  }
}

async function timeUp(machine: Machine): Promise<number> {
  const beganAt = performance.now()
  const { code, stdout, stderr } = await machine.run(['up', '--yes'])
  if (code !== 0) throw new Error(`up ended with ${code}\n${stdout}${stderr}`)
  return performance.now() - beganAt
}

function time(task: () => void): number {
  const beganAt = performance.now()
  task()
  return performance.now() - beganAt
}

function run(program: string, words: readonly string[]): void {
  const { status, error, stderr } = spawnSync(program, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr} (apt-get install ${program})`)
}
