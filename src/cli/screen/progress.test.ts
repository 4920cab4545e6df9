import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createScreen, escapeCharacter } from '../../../test/cli/harness.ts'
import type { OperationLine } from '../../protocol/api.ts'
import { noColour } from './colour.ts'
import { createProgress, drawServices } from './progress.ts'

type ProgressLine = Extract<OperationLine, { kind: 'progress' }>

const line = (service: string, ready: number, wanted: number, message = 'starting'): ProgressLine => ({
  kind: 'progress',
  service,
  slot: `${service}/0`,
  message,
  ready,
  wanted,
})

test('services that do not fit are counted, and those at work are shown first', () => {
  const lines = [line('a', 1, 1), line('b', 1, 1), line('c', 0, 1), line('d', 1, 2), line('e', 1, 1)]
  const view = { failed: new Set<string>(), isOver: false, elapsedMs: 12_000, palette: noColour }
  assert.deepEqual(drawServices(lines, { ...view, rows: 3 }), [
    '  ⠋ c  0/1  starting',
    '  ⠋ d  1/2  d/0 starting',
    '    and 3 services more, 3 of them done',
    '  12 s',
  ])
  assert.equal(drawServices(lines, { ...view, rows: 10 }).length, 6)
})

test('a terminal is redrawn and gets its cursor back; a failure stays above', () => {
  const screen = createScreen({ interactive: true })
  {
    using progress = createProgress(screen, () => 0)
    progress.show(line('web', 0, 1))
    progress.show({
      kind: 'failure',
      failure: { service: 'web', slot: 'web/0', message: 'exit code 1', probe: null, log: ['boom'] },
    })
  }
  const text = screen.printed()
  assert.ok(text.startsWith(`${escapeCharacter}[?25l`))
  assert.ok(text.endsWith(`${escapeCharacter}[?25h`))
  assert.match(text, /exit code 1[\s\S]*boom[\s\S]*✗/)
})

test('an image that is pulled, and an instance that ends, are not done', () => {
  const row = (message: string, wanted = 0, ready = 0): string =>
    drawServices([{ ...line('web', ready, wanted, message), slot: null }], {
      failed: new Set(),
      isOver: false,
      elapsedMs: 0,
      rows: 10,
      palette: noColour,
    })[0]!
  assert.match(row('pulling registry/web:1'), /^ {2}⠋ web/)
  assert.match(row('ending'), /^ {2}⠋ web/)
  assert.match(row('ended'), /^ {2}✓ web/)
  assert.match(row('done, gap 412 ms'), /^ {2}✓ web/)
  assert.match(row('3/3 ready', 3, 3), /^ {2}✓ web/)
})

test('what is done keeps its count', () => {
  const screen = createScreen({ interactive: true })
  {
    using progress = createProgress(screen, () => 0)
    progress.show(line('web', 1, 3, '1/3 ready'))
    progress.show({ ...line('web', 0, 0, 'done'), slot: null })
  }
  assert.match(screen.printed().replaceAll(/\u001B\[[0-9;?]*[A-Za-z]/g, ''), /✓ web {2}3\/3 {2}done\n$/)
})
