import assert from 'node:assert/strict'
import { test } from 'node:test'

import { displayWidth, padEnd, sanitise, truncate, wrap } from './width.ts'

test('Japanese and emoji take two columns, combining marks and colours none', () => {
  assert.deepEqual(
    ['web', '達磨', 'é', 'e\u0301', '🎎', '\u001B[31mred\u001B[39m', '\u200B'].map(displayWidth),
    [3, 4, 1, 1, 2, 3, 0],
  )
  assert.equal(padEnd('達磨', 6), '達磨  ')
})

test('a cut text ends in an ellipsis, never in half a wide character, and closes its colour', () => {
  assert.equal(truncate('達磨達磨', 6), '達磨…')
  assert.equal(truncate('\u001B[31mabcdef\u001B[39m', 4), '\u001B[31mabc…\u001B[0m')
  assert.equal(truncate('abc', 3), 'abc')
})

test('what programs print cannot move the cursor, set the title or ring the bell', () => {
  const hostile = 'a\u001B[2Jb\u001B]0;title\u0007c\u0007d\u001B[31me\u009B5Af\u001Bcg\rh\ti'
  assert.equal(sanitise(hostile, false), 'abcde5Afgh    i')
  assert.equal(sanitise(hostile, true), 'abcd\u001B[31me5Afgh    i\u001B[0m')
  assert.equal(sanitise('\u001B', false), '')
  assert.equal(sanitise('\u001B\u001B[31m[2J', true).includes('\u001B[2J'), false)
})

test('a line that is too long is broken at its spaces, and goes on below its own column', () => {
  const line = '✓ disk   there is\u001B[31m enough\u001B[39m room for /a/path/that/is/long here'
  assert.deepEqual(wrap(line, 30, 9).split('\n'), [
    '✓ disk   there is\u001B[31m enough\u001B[39m room',
    '         for',
    '         /a/path/that/is/long',
    '         here',
  ])
  assert.equal(wrap('  → two words', 30, 4), '  → two words')
  assert.equal(wrap(`  → ${'x'.repeat(40)} y`, 30, 4), `  → ${'x'.repeat(40)}\n    y`)
  assert.equal(wrap(line, Infinity, 9), line)
})
