/** What an instance wrote last, read at once: the pipes, the log and the collector's part are real, and the test decides when it comes. */

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, openSync, constants, rmSync, writeSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { asServiceName, slotId } from '../../core/model/id.ts'
import { Collector } from '../../host/logs/collector.ts'
import { outputPipe } from '../../host/logs/output-pipe.ts'
import { slotPaths } from '../../host/slot-files.ts'
import type { LogStart } from '../../ports/runtime/runtime.ts'
import { Outputs } from './outputs.ts'

const slot = slotId(asServiceName('web'), 0)

/** One instance whose output the collector takes only when the test lets it. */
function makeBed(t: TestContext): {
  readonly write: (text: string) => void
  readonly end: () => void
  readonly collect: () => void
  readonly read: (from?: LogStart) => Promise<readonly string[]>
} {
  const state = mkdtempSync(join(tmpdir(), 'daruma-outputs-'))
  mkdirSync(join(state, 'host'))
  const paths = slotPaths(state, slot)
  mkdirSync(paths.directory, { recursive: true })
  const collector = new Collector(state, (message) => assert.fail(message))
  const outputs = new Outputs(state)
  const epoch = join(paths.directory, '1')
  outputs.open(slot, epoch, null, [])
  const pipe = openSync(outputPipe(epoch), constants.O_RDWR)
  t.after(() => {
    closeSync(pipe)
    outputs.close()
    collector.close()
    rmSync(state, { recursive: true })
  })
  return {
    write: (text) => void writeSync(pipe, text),
    end: () => outputs.end(epoch),
    // Two rounds: the first may only find the letter that tells of the pipe.
    collect: () => [1, 2].forEach(() => collector.round(0)),
    read: async (from = { lines: 10 }) => (await outputs.read(slot, paths, from, 1 << 16)).entries.map(({ text }) => text),
  }
}

/** Longer than a program is waited for that may still write. */
const lateMs = 1000

test('the last lines of what has ended are read, however late the collector takes them', async (t) => {
  const bed = makeBed(t)
  bed.write('first\n')
  bed.collect()
  assert.deepEqual(await bed.read(), ['first'])
  bed.write('the last words\n')
  bed.end()
  const reading = [bed.read(), bed.read({ sinceMs: 0 })]
  await sleep(lateMs)
  bed.collect()
  assert.deepEqual(await Promise.all(reading), [
    ['first', 'the last words'],
    ['first', 'the last words'],
  ])
})

test('of a program that may still write, what is there is read', async (t) => {
  const bed = makeBed(t)
  bed.write('first\n')
  bed.collect()
  bed.write('on its way\n')
  assert.deepEqual(await bed.read(), ['first'])
})
