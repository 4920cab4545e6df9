import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cronerCron } from './index.ts'

const at = (text: string): number => Date.parse(text)
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString().replace('.000Z', 'Z'))

/** The ticks from `from` (not itself) up to `until`, one after the other. */
function ticks(cron: string, timezone: string, from: string, until: string): readonly (string | null)[] {
  const found: (string | null)[] = []
  let afterMs = at(from)
  for (let count = 0; count < 200; count += 1) {
    const tick = cronerCron.next(cron, timezone, afterMs)
    if (tick === null || tick > at(until)) break
    found.push(iso(tick))
    afterMs = tick
  }
  return found
}

test('a time that a night leaves out is the first one that exists, once', () => {
  assert.deepEqual(ticks('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', '2026-03-30T12:00Z'), [
    '2026-03-29T01:00:00Z',
    '2026-03-30T00:30:00Z',
  ])
  assert.deepEqual(ticks('30 2,14 * * *', 'America/New_York', '2026-03-08T05:00Z', '2026-03-08T23:00Z'), [
    '2026-03-08T07:00:00Z',
    '2026-03-08T18:30:00Z',
  ])
  assert.deepEqual(ticks('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', '2026-10-04T23:00Z'), [
    '2026-10-03T15:30:00Z',
    '2026-10-04T15:15:00Z',
  ])
  assert.deepEqual(ticks('0,20,40 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', '2026-03-29T12:00Z'), ['2026-03-29T01:00:00Z'])
})

test('a time that a night has twice runs the first time only', () => {
  assert.deepEqual(ticks('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-26T12:00Z'), [
    '2026-10-25T00:30:00Z',
    '2026-10-26T01:30:00Z',
  ])
  assert.deepEqual(ticks('30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', '2026-11-02T12:00Z'), [
    '2026-11-01T05:30:00Z',
    '2026-11-02T06:30:00Z',
  ])
  assert.deepEqual(ticks('45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T00:00Z', '2026-04-05T23:00Z'), [
    '2026-04-04T14:45:00Z',
    '2026-04-05T15:15:00Z',
  ])
})

test('what goes by the clock leaves out what the clock leaves out, and runs in both passes of a doubled hour', () => {
  assert.deepEqual(ticks('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T02:00Z'), [
    '2026-03-29T00:30:00Z',
    '2026-03-29T01:00:00Z',
    '2026-03-29T01:30:00Z',
    '2026-03-29T02:00:00Z',
  ])
  assert.deepEqual(ticks('*/30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-25T12:00Z'), [
    '2026-10-25T00:00:00Z',
    '2026-10-25T00:30:00Z',
    '2026-10-25T01:00:00Z',
    '2026-10-25T01:30:00Z',
  ])
  assert.equal(ticks('*/15 1 * * *', 'Australia/Lord_Howe', '2026-04-04T12:00Z', '2026-04-04T20:00Z').length, 6)
})

test('a day that a zone never had has no tick, and the days around it have theirs', () => {
  // Samoa went from the 29th to the 31st of December 2011.
  assert.deepEqual(ticks('0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00Z', '2012-01-01T00:00Z'), [
    '2011-12-29T22:00:00Z',
    '2011-12-30T22:00:00Z',
    '2011-12-31T22:00:00Z',
  ])
  assert.deepEqual(ticks('*/30 12 30 12 *', 'Pacific/Apia', '2011-12-01T00:00Z', '2012-12-29T00:00Z'), [])
})

test('looking back finds what looking forward had found, in every zone and on every night', () => {
  const crons = [
    '30 2 * * *',
    '*/15 * * * *',
    '0 2,14 * * *',
    '*/20 1-3 * * *',
    '0 0 * * 1',
    '7 3 1 * *',
    '*/7 * * * * *',
    '@hourly',
  ]
  const zones = [
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'Pacific/Apia',
    'Asia/Tokyo',
    'UTC',
    'America/St_Johns',
  ]
  // Around the changes of 2026 more often than in the dull rest.
  const moments = [
    '2026-03-08T05:00Z',
    '2026-03-28T22:00Z',
    '2026-04-04T12:00Z',
    '2026-10-03T12:00Z',
    '2026-10-24T22:00Z',
    '2026-11-01T04:00Z',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...crons),
      fc.constantFrom(...zones),
      fc.constantFrom(...moments),
      fc.integer({ min: 0, max: 12 * 3600 }),
      fc.integer({ min: 0, max: 999 }),
      (cron, zone, moment, seconds, milliseconds) => {
        const from = at(moment) + seconds * 1000 + milliseconds
        const tick = cronerCron.next(cron, zone, from)
        assert.ok(tick !== null && tick > from, `${cron} in ${zone} after ${iso(from)} is ${iso(tick)}`)
        assert.equal(cronerCron.last(cron, zone, { afterMs: from, untilMs: tick }), tick)
        assert.equal(cronerCron.last(cron, zone, { afterMs: from, untilMs: tick - 1 }), null)
        assert.equal(cronerCron.last(cron, zone, { afterMs: tick, untilMs: tick }), null)
        const second = cronerCron.next(cron, zone, tick)
        assert.ok(second !== null && second > tick)
        assert.equal(cronerCron.last(cron, zone, { afterMs: from, untilMs: second - 1 }), tick)
      },
    ),
    { numRuns: 2000 },
  )
})

test('the last tick of years that passed is found without going through them', () => {
  const untilMs = at('2026-11-22T10:00:00.400Z')
  assert.equal(
    iso(cronerCron.last('* * * * * *', 'Europe/Berlin', { afterMs: at('2006-01-01T00:00Z'), untilMs })),
    '2026-11-22T10:00:00Z',
  )
  assert.equal(iso(cronerCron.last('0 0 29 2 *', 'UTC', { afterMs: at('2020-01-01T00:00Z'), untilMs })), '2024-02-29T00:00:00Z')
  assert.equal(cronerCron.last('0 0 29 2 *', 'UTC', { afterMs: at('2024-03-01T00:00Z'), untilMs }), null)
})

test('what cannot be used is called by its name', () => {
  assert.equal(cronerCron.findFault('0 3 * * *', 'Asia/Tokyo'), null)
  assert.equal(cronerCron.findFault('@daily', 'UTC'), null)
  assert.equal(cronerCron.findFault('*/5 0 3 * * 1-5', 'Europe/Berlin'), null)
  assert.equal(cronerCron.findFault('0 0 29 2 *', 'UTC'), null)
  assert.equal(cronerCron.findFault('0 3 * * *', 'Asia/Tokio'), 'there is no timezone Asia/Tokio; did you mean Asia/Tokyo?')
  assert.equal(cronerCron.findFault('0 3 * * *', ''), 'there is no timezone ""')
  assert.equal(cronerCron.findFault('0 3 * * *', '+02:00'), 'there is no timezone +02:00')
  assert.equal(cronerCron.findFault('30 2 30 2 *', 'UTC'), '"30 2 30 2 *" never fires: no such date comes within ten years')
  assert.equal(cronerCron.findFault('0 0 31 4,6 *', 'UTC'), '"0 0 31 4,6 *" never fires: no such date comes within ten years')
  assert.equal(cronerCron.findFault('61 * * * *', 'UTC'), '"61 * * * *" is no cron expression: Invalid value for minute: 61')
  assert.equal(
    cronerCron.findFault('* * * *', 'UTC'),
    '"* * * *" has 4 fields; a cron expression has five (minute hour day month weekday), or six with seconds in front',
  )
  assert.match(cronerCron.findFault('', 'UTC') ?? '', /has 0 fields/)
  assert.match(cronerCron.findFault('2026-12-01T00:00:00', 'UTC') ?? '', /has 1 fields/)
  assert.match(cronerCron.findFault('? * * * *', 'UTC') ?? '', /write "\*"/)
  assert.match(cronerCron.findFault('@reboot', 'UTC') ?? '', /is not a time/)
  assert.match(cronerCron.findFault('@fortnightly', 'UTC') ?? '', /is no cron expression/)
})
