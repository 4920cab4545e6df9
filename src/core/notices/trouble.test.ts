import assert from 'node:assert/strict'
import test from 'node:test'

import { noticeTopics } from '../keys/notify.ts'
import { composeNotice, untold } from './notice.ts'
import { lastOf, type Sign, Troubles } from './trouble.ts'

const looping: Sign = {
  key: 'crash-loop/web',
  topic: 'crash-loop',
  service: 'web',
  state: 'bad',
  occurrence: '',
  mark: '',
  settleMs: 30_000,
  message: 'web is crash-looping',
  cause: 'exit code 1',
}
const at = (seconds: number): { readonly nowMs: number; readonly at: string } => ({ nowMs: seconds * 1000, at: `T${seconds}` })

test('a trouble begins once, however often it is seen, and is over once it has been well for its time', () => {
  const troubles = new Troubles([], 0)
  assert.deepEqual(troubles.look([looping], at(0)), ['crash-loop/web'])
  assert.deepEqual(troubles.look([{ ...looping, cause: 'exit code 2' }], at(5)), [])
  assert.deepEqual(troubles.look([{ ...looping, state: 'well', mark: 'a' }], at(10)), [])
  assert.deepEqual(troubles.look([{ ...looping, state: 'well', mark: 'a' }], at(39)), [])
  assert.equal(troubles.get(looping.key)?.until, null)
  assert.deepEqual(troubles.look([{ ...looping, state: 'well', mark: 'a' }], at(40)), ['crash-loop/web'])
  assert.deepEqual(troubles.look([{ ...looping, state: 'well', mark: 'a' }], at(50)), [])
  assert.deepEqual(troubles.get(looping.key), {
    key: 'crash-loop/web',
    topic: 'crash-loop',
    service: 'web',
    occurrence: '',
    message: 'web is crash-looping',
    cause: 'exit code 1',
    since: 'T0',
    until: 'T40',
    times: 1,
    began: 1,
    over: 2,
  })
})

test('another instance that is well, and any doubt, begin the wait anew: a restart between two looks is no recovery', () => {
  const troubles = new Troubles([], 0)
  troubles.look([looping], at(0))
  troubles.look([{ ...looping, state: 'well', mark: 'a' }], at(10))
  troubles.look([{ ...looping, state: 'well', mark: 'b' }], at(39))
  troubles.look([{ ...looping, state: 'well', mark: 'b' }], at(68))
  assert.equal(troubles.get(looping.key)?.over, null)
  troubles.look([{ ...looping, state: 'unsettled' }], at(68.5))
  troubles.look([{ ...looping, state: 'well', mark: 'b' }], at(70))
  assert.equal(troubles.get(looping.key)?.over, null)
  troubles.look([{ ...looping, state: 'well', mark: 'b' }], at(100))
  assert.equal(troubles.get(looping.key)?.over, 2)
})

test('a new life that knows the records tells nothing a second time, and its numbers go on', () => {
  const first = new Troubles([], 0)
  first.look([looping], at(0))
  const next = new Troubles(first.list(), 7)
  assert.deepEqual(next.look([looping], at(1)), [])
  assert.deepEqual(next.look([looping, { ...looping, key: 'crash-loop/api', service: 'api' }], at(2)), ['crash-loop/api'])
  assert.equal(next.get('crash-loop/api')?.began, 8)
})

test('what is not there any more is over at once; what begins again before that was told is one that began twice', () => {
  const troubles = new Troubles([], 0)
  troubles.look([looping], at(0))
  assert.deepEqual(troubles.look([], at(1)), ['crash-loop/web'])
  assert.deepEqual(troubles.look([looping], at(2)), ['crash-loop/web'])
  const { times, since, until, began, over } = troubles.get(looping.key)!
  assert.deepEqual({ times, since, until, began, over }, { times: 2, since: 'T2', until: null, began: 3, over: null })
})

test('another revision that fails is another trouble, and the one before it is not told to be over', () => {
  const failed = {
    ...looping,
    key: 'deploy',
    topic: 'deploy',
    service: null,
    occurrence: '5',
    message: 'revision 5 failed',
  } as const
  const troubles = new Troubles([], 0)
  troubles.look([failed], at(0))
  troubles.look([{ ...failed, occurrence: '6', message: 'revision 6 failed' }], at(1))
  const told = untold(troubles.list(), 1, noticeTopics)
  assert.deepEqual(
    told.map(({ message, times, over }) => ({ message, times, over })),
    [{ message: 'revision 6 failed', times: 1, over: null }],
  )
})

test('what is over is forgotten only when all were told of it', () => {
  const troubles = new Troubles([], 0)
  troubles.look([looping], at(0))
  troubles.look([], at(1))
  assert.deepEqual(
    troubles.forget((trouble) => lastOf(trouble) <= 1),
    [],
  )
  assert.deepEqual(
    troubles.forget((trouble) => lastOf(trouble) <= 2),
    ['crash-loop/web'],
  )
  assert.deepEqual(troubles.list(), [])
})

test('who was told is told only what is new, and of what it asked for', () => {
  const troubles = new Troubles([], 0)
  troubles.look([looping, { ...looping, key: 'schedule/report', topic: 'schedule', service: 'report' }], at(0))
  const keys = (toldUpTo: number, topics = noticeTopics as readonly (typeof noticeTopics)[number][]): readonly string[] =>
    untold(troubles.list(), toldUpTo, topics).map(({ key }) => key)
  assert.deepEqual(keys(0), ['crash-loop/web', 'schedule/report'])
  assert.deepEqual(keys(1), ['schedule/report'])
  assert.deepEqual(keys(0, ['crash-loop']), ['crash-loop/web'])
  assert.deepEqual(keys(2), [])
})

test('five hundred troubles are one notice with a count, and no secret is cut in half in it', () => {
  const troubles = new Troubles([], 0)
  const signs = Array.from({ length: 500 }, (_, index) => ({
    ...looping,
    key: `crash-loop/web-${index}`,
    service: `web-${index}`,
    message: `web-${index} is crash-looping`,
    cause: `${'x'.repeat(290)} hunter2-hunter2`,
  }))
  troubles.look(signs, at(0))
  troubles.look(signs.slice(3), at(1))
  const notice = composeNotice(untold(troubles.list(), 0, noticeTopics), {
    id: 'abc',
    at: 'T2',
    sender: { project: 'shop', stage: null, host: 'web-1' },
    redact: (text) => text.replaceAll('hunter2-hunter2', '[redacted]'),
  })
  assert.deepEqual([notice.began, notice.over, notice.troubles.length], [497, 3, 50])
  assert.match(notice.text, /^shop on web-1: 497 in trouble, 3 over\nweb-3 is crash-looping: x+/)
  assert.match(notice.text, /\nand 490 more$/)
  assert.ok(!JSON.stringify(notice).includes('hunter'), 'a part of the secret is in it')
  assert.ok(JSON.stringify(notice).length < 60_000)
})
