import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressIn, addressOf, placeElsewhere, readPlace, readProject, type Place } from './place.ts'

test('every place has an address that leads back to it', () => {
  const places: readonly Place[] = [
    { kind: 'overview' },
    { kind: 'service', name: 'web' },
    { kind: 'service', name: '@balancer' },
    { kind: 'service', name: 'shop/web' },
    { kind: 'events', service: null },
    { kind: 'events', service: 'web' },
    { kind: 'events', service: 'shop/web' },
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

test('a project stands before the place, and both are found again', () => {
  const place: Place = { kind: 'service', name: 'web' }
  for (const project of [null, 'shop', 'shop_staging']) {
    const { search, hash } = new URL(addressIn(project, place), 'http://127.0.0.1:9000/?project=other#/events')
    assert.deepEqual([readProject(search), readPlace(hash)], [project, place])
  }
  assert.deepEqual(['', '?', '?project=', '?other=shop'].map(readProject), [null, null, null, null])
})

test('what is of one project alone has no place in another', () => {
  const places: readonly Place[] = [
    { kind: 'overview' },
    { kind: 'service', name: 'web' },
    { kind: 'events', service: 'web' },
    { kind: 'revisions' },
    { kind: 'revision', number: 12 },
  ]
  assert.deepEqual(places.map(placeElsewhere).map(addressOf), ['#/', '#/', '#/events', '#/revisions', '#/revisions'])
})
