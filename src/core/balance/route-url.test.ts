import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Route } from '../model/service.ts'
import { routeUrl } from './route-url.ts'

const settings = { address: '*', httpPort: 80, httpsPort: 443 }
const route = (change: Partial<Route>): Route => ({
  to: { kind: 'domain', domain: 'shop.example.com' },
  path: '/',
  tls: { kind: 'none' },
  proxyProtocol: { accept: false, send: false },
  idempotent: false,
  ...change,
})

test('a route is told as the address that reaches it, without the port that goes without saying', () => {
  const told = [
    routeUrl(route({}), settings),
    routeUrl(route({ tls: { kind: 'automatic' }, path: '/api' }), settings),
    routeUrl(route({ tls: { kind: 'automatic' } }), { ...settings, httpsPort: 8443 }),
    routeUrl(route({}), { ...settings, httpPort: 8080 }),
    routeUrl(route({ to: { kind: 'port', port: 8080, protocol: 'http' } }), settings),
    routeUrl(route({ to: { kind: 'port', port: 5432, protocol: 'tcp' } }), { ...settings, address: '10.0.0.5' }),
    routeUrl(route({ to: { kind: 'port', port: 443, protocol: 'http' }, tls: { kind: 'automatic' } }), {
      ...settings,
      address: 'fd00::5',
    }),
  ]
  assert.deepEqual(told, [
    'http://shop.example.com/',
    'https://shop.example.com/api',
    'https://shop.example.com:8443/',
    'http://shop.example.com:8080/',
    'http://localhost:8080/',
    'tcp://10.0.0.5:5432',
    'https://[fd00::5]/',
  ])
})
