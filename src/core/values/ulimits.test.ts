import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ProblemList } from './problem-list.ts'
import { ulimits } from './ulimits.ts'

function read(value: unknown): unknown {
  const problems = new ProblemList()
  const found = ulimits.read(value, null, problems)
  const told = problems.toArray().map(({ code, message, suggestion }) => [code, message, suggestion ?? null])
  return told.length === 0 ? found : told
}

test('one number is both limits, and the order in a config is no change', () => {
  const both = { core: { soft: 0, hard: 0 }, nofile: { soft: 1024, hard: 65_536 } }
  assert.deepEqual(JSON.stringify(read({ nofile: { soft: 1024, hard: 65_536 }, core: 0 })), JSON.stringify(both))
  assert.equal(ulimits.show(both), 'core 0, nofile 1024:65536')
  assert.deepEqual(read({ memlock: -1, stack: { soft: 8192, hard: -1 } }), {
    memlock: { soft: -1, hard: -1 },
    stack: { soft: 8192, hard: -1 },
  })
  assert.equal(ulimits.show({}), null)
})

test('what no kernel would take is refused, with what was meant', () => {
  assert.deepEqual(read({ nofiles: 10 }), [['E_CONFIG_UNKNOWN_KEY', 'nofiles is not the name of a limit', 'nofile']])
  assert.deepEqual(read({ LimitNPROC: 10 }), [['E_CONFIG_UNKNOWN_KEY', 'LimitNPROC is not the name of a limit', 'nproc']])
  assert.deepEqual(read({ nofile: { soft: 20, hard: 10 } }), [
    ['E_CONFIG_CONFLICT', 'soft (20) is more than hard (10)', '{ soft: 10, hard: 10 }'],
  ])
  assert.deepEqual(read({ nofile: { soft: -1, hard: 10 } }), [
    ['E_CONFIG_CONFLICT', 'soft (-1) is more than hard (10)', '{ soft: 10, hard: 10 }'],
  ])
  for (const [wrong, meant] of [
    [{ soft: 10 }, null],
    [{ soft: 1, hard: 2, more: 3 }, null],
    ['unlimited', '-1'],
    ['1024', '1024'],
    [-2, null],
    [1.5, null],
    [null, null],
  ] as const) {
    const [[, , suggestion]] = read({ nofile: wrong }) as [[string, string, string | null]]
    assert.equal(suggestion, meant, JSON.stringify(wrong))
  }
})

test('a record with a name that is no limit never reaches a command line', () => {
  const refuse = (_value: unknown, path: string): never => {
    throw new Error(path)
  }
  assert.throws(() => ulimits.shape({ 'nofile=1 --pid': { soft: 1, hard: 1 } }, 'ulimits', refuse), /nofile=1 --pid/)
})
