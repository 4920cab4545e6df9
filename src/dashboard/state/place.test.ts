import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, readPlace, type Place } from './place.ts'

test('every place has an address that leads back to it', () => {
  const places: readonly Place[] = [
    { kind: 'overview' },
    { kind: 'service', name: 'web' },
    { kind: 'service', name: '@balancer' },
    { kind: 'events', service: null },
    { kind: 'events', service: 'web' },
    { kind: 'revisions' },
    { kind: 'revision', number: 12 },
  ]
  assert.deepEqual(
    places.map((place) => readPlace(addressOf(place))),
    places,
  )
})

test('what is no address leads to the overview, or as near as can be', () => {
  const overview: Place = { kind: 'overview' }
  for (const hash of ['', '#', '#/', '#/nowhere', '#/services', '#/services/', '#/%zz', '#token=abc'])
    assert.deepEqual([hash, readPlace(hash)], [hash, overview])
  for (const hash of ['#/revisions/x', '#/revisions/0', '#/revisions/-1'])
    assert.deepEqual(readPlace(hash), { kind: 'revisions' })
  assert.deepEqual(readPlace('#/services/%zz'), { kind: 'service', name: '%zz' })
})
