/** What a container writes: every line once, in its slot's log, whatever happens to daemons and files. Part of the contract of its life. */

import assert from 'node:assert/strict'
import { appendFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { asServiceName, slotId } from '../../core/model/id.ts'
import { readLog } from '../../host/logs/read-log.ts'
import { listLogFiles, listSegments } from '../../host/logs/segments.ts'
import { readNumber, usualLogBytes } from '../../host/slot-files.ts'
import { ContainerBed, instance } from '../../../test/engine/container-bed.ts'
import type { TestEngine, Testing } from '../../../test/engine/engine-kind.ts'
import { until } from '../../../test/processes.ts'
import { often } from '../../../test/thorough.ts'

export function outputContract(engineOf: () => TestEngine, test: Testing): void {
  test('a program that ends at once has started and has ended, with its last words', async (t) => {
    const bed = await ContainerBed.open(t, engineOf())
    await bed.run(1, ['sh', '-c', 'seq 1 2000; printf end'])
    assert.deepEqual((await bed.event('gone', 1)).exit, { kind: 'code', code: 0 })
    const lines = bed.log().split('\n')
    assert.deepEqual([lines.length, lines[0], lines[1999], lines[2000]], [2001, '1', '2000', 'end'])
  })

  test('whoever ends in a crowd, too, is not said to be gone before its last words are in the log', async (t) => {
    const bed = await ContainerBed.open(t, engineOf())
    const slots = Array.from({ length: 6 }, (_, index) => slotId(asServiceName('talker'), index))
    for (let epoch = 1; epoch <= often({ usually: 2, thoroughly: 4 }); epoch += 1) {
      const lives = slots.map(async (slot) => {
        await bed.run(epoch, ['sh', '-c', `ls /; printf 'last words of ${epoch}'`], { slot })
        await bed.event('gone', epoch, slot)
        return bed.log(slot).endsWith(`last words of ${epoch}`)
      })
      assert.deepEqual(
        await Promise.all(lives),
        slots.map(() => true),
      )
    }
  })

  test('another daemon finds what runs: same pid, same start, same epoch, and not a line is lost or written twice', async (t) => {
    const bed = await ContainerBed.open(t, engineOf())
    const started = await bed.run(3, [
      'sh',
      '-c',
      'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); [ $((i % 10)) = 0 ] && sleep 0.01; done; exec sleep 1000',
    ])
    for (let round = 0; round < 6; round++) {
      const seen = bed.log().split('\n').length
      await until('some lines more', 10_000, () => bed.log().split('\n').length > Math.min(seen + 50, 3000))
      // What a daemon wrote and could not note before it died.
      await bed.runtime[Symbol.asyncDispose]()
      if (round % 2 === 1) appendFileSync(segmentsOf(bed).at(-1) ?? '', 'torn')
      await bed.reopen()
      const [occupant, ...others] = bed.discovery.occupants
      assert.deepEqual(others, [])
      const age = occupant?.ageMs ?? -1
      assert.ok(age >= 0 && age < 60_000, `it has lived for ${age} ms`)
      assert.deepEqual(occupant, {
        ageMs: age,
        ...instance(3),
        state: 'running',
        pid: started.pid,
        startTicks: started.startTicks,
        startedAt: started.startedAt,
        exit: null,
        note: '{"epoch":3}',
      })
    }
    await until('the last line', 20_000, () => bed.log().includes('line 2999'))
    assert.deepEqual(
      bed.log().split('\n').slice(0, -1),
      Array.from({ length: 3000 }, (_, index) => `line ${index}`),
    )
    assert.deepEqual(bed.events, [])
  })

  test('what fills the file of the engine again and again in a hurry is taken once too, also by another daemon', async (t) => {
    const bed = await ContainerBed.open(t, engineOf())
    const text = '#'.repeat(100)
    const script = [
      // One piece fills most of the smallest file that an engine is given.
      `say() { awk -v a=$n 'BEGIN { for (i = a; i < a + 1200; i++) print "line", i, "${text}" }'; n=$((n + 1200)); }`,
      'n=0; trap say USR1; echo ready; while true; do sleep 0.05; done',
    ]
    await bed.run(1, ['sh', '-c', script.join('\n')], { maxLogBytes: 1 << 18 })
    await until('it is ready', 10_000, () => bed.log() === 'ready\n')
    let lines = 0
    const say = (): void => {
      bed.engine.docker('kill', '-s', 'USR1', bed.name())
      lines += 1200
    }
    for (let round = 0; round < 3; round += 1) {
      for (let piece = 0; piece < 4; piece += 1) {
        say()
        await until('its last line', 20_000, () => bed.log().endsWith(`line ${lines - 1} ${text}\n`))
      }
      await bed.runtime[Symbol.asyncDispose]()
      say()
      await bed.reopen()
      await until('what was said meanwhile', 20_000, () => bed.log().endsWith(`line ${lines - 1} ${text}\n`))
    }
    const expected = Array.from({ length: lines }, (_, index) => `line ${index} ${text}`)
    // The log keeps its bound, and its offsets count every byte that was ever taken.
    const { end } = await readLog(join(bed.state, 'slots', 'web.0'), { lines: 0 }, 1)
    assert.equal(end, 'ready\n'.length + expected.join('\n').length + 1)
    const kept = bed.log().split('\n').slice(1, -1)
    assert.ok(kept.length > 1200)
    assert.deepEqual(kept, expected.slice(-kept.length))
  })

  test('files that somebody removes under a running container are made again, and it is said once', async (t) => {
    const bed = await ContainerBed.open(t, engineOf())
    const folder = join(bed.state, 'slots', 'web.0')
    const script = 'i=0; while true; do echo "line $i"; i=$((i+1)); sleep 0.05; done'
    await bed.run(7, ['sh', '-c', script], { maxLogBytes: 123_456 })
    const removed = (): readonly string[] => bed.warnings.filter((warning) => warning.includes(folder))
    const isThere = (): boolean => listSegments(folder).length > 0 && bed.log().split('\n').length > 20
    await until('its lines', 10_000, isThere)
    rmSync(folder, { recursive: true })
    await until('its lines are there again', 20_000, isThere)
    assert.deepEqual(
      [readNumber(join(folder, 'epoch')), readNumber(join(folder, 'log.bound'))],
      [7, 123_456],
      'its log is bounded, and nobody takes its epoch for free',
    )
    assert.deepEqual(removed(), [`files of ${folder} were removed; its log starts over undefined`])
    rmSync(folder, { recursive: true })
    await bed.reopen()
    await until('the next daemon has its lines too', 20_000, isThere)
    for (const path of listLogFiles(folder)) rmSync(path)
    await until('and a log that alone was removed', 20_000, isThere)
    const numbers = [...bed.log().matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number))
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
      'none is there twice',
    )
    // Nothing can be made where the state itself is gone: that too is said once, not with every try.
    bed.warnings.length = 0
    renameSync(join(bed.state, 'slots'), join(bed.state, 'elsewhere'))
    for (const path of listLogFiles(join(bed.state, 'elsewhere', 'web.0'))) rmSync(path)
    await until('it is said', 10_000, () => bed.warnings.length > 0)
    const { length } = bed.engine.docker('logs', bed.name()).split('\n')
    await until('it went on', 10_000, () => bed.engine.docker('logs', bed.name()).split('\n').length > length + 10)
    assert.equal(removed().length, 1, bed.warnings.join('\n'))
    renameSync(join(bed.state, 'elsewhere'), join(bed.state, 'slots'))
    await until('it recovers from that', 10_000, isThere)
    await bed.runtime.kill(instance(7), 15_000)
    await bed.event('gone', 7)
    bed.warnings.length = 0
    await bed.run(8, ['sleep', '1000'], { maxLogBytes: usualLogBytes })
    await bed.reopen()
    await bed.runtime.kill(instance(8), 15_000)
    await bed.event('gone', 8)
    assert.deepEqual(removed(), [], 'nothing is said of what is there, and a usual bound is not written down')
  })
}

const segmentsOf = (bed: ContainerBed): readonly string[] =>
  listSegments(join(bed.state, 'slots', 'web.0')).map(({ path }) => path)
