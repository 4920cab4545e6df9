import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { distance, nearest } from './nearest.ts'

test('a swap of neighbours, a missing, an added and a wrong letter each count one', () => {
  assert.deepEqual(
    [
      distance('comamnd', 'command'),
      distance('comand', 'command'),
      distance('commmand', 'command'),
      distance('commund', 'command'),
    ],
    [1, 1, 1, 1],
  )
  assert.equal(distance('', 'abc'), 3)
  assert.equal(distance('ca', 'abc'), 3)
})

test('the distance is zero only from a word to itself, and the same both ways', () => {
  const word = fc.string({ maxLength: 12 })
  fc.assert(
    fc.property(word, word, (left, right) => {
      assert.equal(distance(left, right), distance(right, left))
      assert.equal(distance(left, right) === 0, left === right)
    }),
  )
})

test('the nearest word is given, and none rather than a far one', () => {
  const words = ['command', 'directory', 'environment', 'cpu', 'pids', 'port']
  assert.deepEqual(
    ['comand', 'enviroment', 'Command', 'prot', 'cpus', 'zebra', 'x'].map((word) => nearest(word, words)),
    ['command', 'environment', 'command', 'port', 'cpu', null, null],
  )
})
