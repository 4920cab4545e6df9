import assert from 'node:assert/strict'
import test from 'node:test'
import { projectOf, refusalsOf, serviceOf } from '../../../../test/support/config-bed.ts'
import type { Route } from '../../model/service.ts'
import { defaultBalancer as balancer } from '../../keys/balancer.ts'

const toDomain: Route = {
  to: { kind: 'domain', domain: 'shop.example.com' },
  path: '/',
  tls: { kind: 'none' },
  proxyProtocol: { accept: false, send: false },
  idempotent: false,
}
const toPort: Route = { ...toDomain, to: { kind: 'port', port: 8080, protocol: 'http' } }

const routesOf = (route: unknown): readonly Route[] => serviceOf({ command: 'x', route }).routes

test('a domain, a port, an object and an array are routes', () => {
  assert.deepEqual(routesOf('Shop.Example.com'), [toDomain])
  assert.deepEqual(routesOf(8080), [toPort])
  assert.deepEqual(routesOf({ domain: 'shop.example.com' }), [toDomain])
  assert.deepEqual(routesOf([8080, 'shop.example.com', { domain: '*.shop.example.com', path: '/api/' }]), [
    toPort,
    toDomain,
    { ...toDomain, to: { kind: 'domain', domain: '*.shop.example.com' }, path: '/api' },
  ])
  assert.deepEqual(routesOf([]), [])
})

test('every key of a route at its fullest reaches the normal form', () => {
  const written = {
    domain: 'shop.example.com',
    path: '/v1/%C3%A9',
    tls: { certificate: './tls/shop.pem', key: '/etc/shop.key' },
    idempotent: true,
    proxyProtocol: { accept: true, send: true },
  }
  assert.deepEqual(routesOf(written), [
    {
      to: { kind: 'domain', domain: 'shop.example.com' },
      path: '/v1/%C3%A9',
      tls: { kind: 'files', certificate: '/srv/shop/tls/shop.pem', key: '/etc/shop.key', digest: null },
      proxyProtocol: { accept: true, send: true },
      idempotent: true,
    },
  ])
  assert.deepEqual(routesOf({ port: 5432, protocol: 'tcp' })[0]?.to, { kind: 'port', port: 5432, protocol: 'tcp' })
})

test('TLS is automatic for domains where certificates are to be had, and nowhere else', () => {
  const tlsOf = (route: unknown, acme: unknown): string => {
    const { services } = projectOf({ balancer: { acme }, services: { web: { command: 'x', route } } })
    return services[0]!.routes[0]!.tls.kind
  }
  assert.equal(tlsOf('shop.example.com', true), 'automatic')
  assert.equal(tlsOf('shop.example.com', undefined), 'none')
  assert.equal(tlsOf({ domain: 'shop.example.com', tls: 'auto' }, {}), 'automatic')
  assert.equal(tlsOf({ domain: 'shop.example.com', tls: false }, true), 'none')
  assert.equal(tlsOf(8080, true), 'none')
})

test('the balancer at its fullest, and at its least', () => {
  const { balancer: full } = projectOf({
    services: {},
    balancer: {
      program: 'embedded',
      address: '::1',
      httpPort: 8080,
      httpsPort: 8443,
      accessLog: true,
      limits: {
        connections: 100,
        headerSize: '8KiB',
        bodySize: '1MiB',
        headerTimeout: '5s',
        idleTimeout: '2m',
        tunnelTimeout: '6h',
      },
      acme: { directory: 'https://acme.example.com/dir', email: 'ops@example.com', caFile: './ca.pem' },
    },
  })
  assert.deepEqual(full, {
    program: 'embedded',
    address: '::1',
    httpPort: 8080,
    httpsPort: 8443,
    accessLog: true,
    limits: {
      connections: 100,
      headerBytes: 8192,
      bodyBytes: 1_048_576,
      headerTimeoutMs: 5000,
      idleTimeoutMs: 120_000,
      tunnelTimeoutMs: 21_600_000,
    },
    acme: { directory: 'https://acme.example.com/dir', email: 'ops@example.com', caFile: '/srv/shop/ca.pem' },
  })
  assert.deepEqual(projectOf({ services: {} }).balancer, balancer)
  const acme = { directory: 'https://acme-v02.api.letsencrypt.org/directory', email: null, caFile: null }
  assert.deepEqual(projectOf({ services: {}, balancer: { acme: true } }).balancer, { ...balancer, acme })
})

const domainNoun = "a domain such as 'shop.example.com', or '*.example.com' for all below one"

test('what is no domain is refused, with what was meant', () => {
  const wrong: Readonly<Record<string, string | null>> = {
    'https://shop.example.com/x?y': "'shop.example.com'",
    'shop.example.com:8080': "'shop.example.com'",
    'shop.example.com.': "'shop.example.com'",
    'shop_1.example.com': null,
    '-shop.example.com': null,
    'shop..example.com': null,
    '10.0.0.1': null,
    '*': null,
    'a.*.example.com': null,
    '': null,
    [`${'a'.repeat(64)}.com`]: null,
  }
  for (const [domain, suggestion] of Object.entries(wrong)) {
    const [line = '', ...more] = refusalsOf({ services: { web: { command: 'x', route: { domain } } } })
    assert.deepEqual(more, [], domain)
    assert.ok(line.startsWith('E_CONFIG_VALUE web.route.domain: '), line)
    assert.ok(line.endsWith(`is not accepted here | ${domainNoun} | ${suggestion}`), line)
  }
})

test('what is no path is refused, with what was meant', () => {
  const wrong: Readonly<Record<string, string | null>> = {
    api: "'/api'",
    '/api/*': "'/api'",
    '/api?x=1': "'/api'",
    '//api': "'/api'",
    '/a/../b': null,
    '/a b': null,
    '/a%2': null,
    '/a"b': null,
    '/a\nb': null,
  }
  for (const [path, suggestion] of Object.entries(wrong)) {
    const [line = '', ...more] = refusalsOf({ services: { web: { command: 'x', route: { port: 80, path } } } })
    assert.deepEqual(more, [], path)
    assert.ok(line.startsWith('E_CONFIG_VALUE web.route.path: ') && line.endsWith(`| ${suggestion}`), line)
  }
})

const a = { command: 'a' }
const b = { command: 'b' }
const shop = 'shop.example.com'
const files = { certificate: './a.pem', key: './a.key' }
const sameTls = 'the same tls for all routes of a domain | null'
const acmeHelp = "balancer: { acme: { email: 'ops@example.com' } } beside services | null"
const filesHelp = "tls: { certificate: './shop.pem', key: './shop.key' } or tls: false | null"

interface Bad {
  readonly services: Readonly<Record<string, unknown>>
  readonly balancer?: unknown
  readonly says: readonly string[]
}

const bad: Readonly<Record<string, Bad>> = {
  'one domain for two services': {
    services: { a: { ...a, route: shop }, b: { ...b, route: 'SHOP.example.com' } },
    says: [`E_CONFIG_DUPLICATE_ROUTE b.route: 'shop.example.com/' is routed to a and to b | another port, domain or path | null`],
  },
  'one domain and path twice': {
    services: { a: { ...a, route: [{ domain: shop, path: '/api' }, shop, { domain: shop, path: '/api/' }] } },
    says: [
      `E_CONFIG_DUPLICATE_ROUTE a.route.2: 'shop.example.com/api' is routed twice to a | another port, domain or path | null`,
    ],
  },
  'one port and path for two services': {
    services: { a: { ...a, route: 8080 }, b: { ...b, route: { port: 8080 } }, c: { ...a, route: { port: 8080, path: '/c' } } },
    says: [`E_CONFIG_DUPLICATE_ROUTE b.route: 'port 8080, path /' is routed to a and to b | another port, domain or path | null`],
  },
  'a port for TCP that is shared': {
    services: { a: { ...a, route: { port: 5432, protocol: 'tcp' } }, b: { ...b, route: { port: 5432, path: '/b' } } },
    says: ['E_CONFIG_DUPLICATE_PORT b.route: port 5432 is wanted by the route of a and by the route of b | another port | null'],
  },
  'a port that a service has for itself': {
    services: { a: { ...a, port: 8080, route: 8080 }, b: { ...b, port: 9090 }, c: { ...a, route: 9090 } },
    says: [
      'E_CONFIG_DUPLICATE_PORT a.route: port 8080 is wanted by the service a itself and by the route of a | another port | null',
      'E_CONFIG_DUPLICATE_PORT c.route: port 9090 is wanted by the service b itself and by the route of c | another port | null',
    ],
  },
  "the balancer's own ports": {
    balancer: { httpPort: 8080 },
    services: { a: { ...a, route: { domain: shop, tls: files } }, b: { ...b, port: 443 }, c: { ...a, route: 8080 } },
    says: [
      'E_CONFIG_DUPLICATE_PORT b.port: port 443 is wanted by the balancer as its httpsPort and by b | another port | null',
      'E_CONFIG_DUPLICATE_PORT c.route: port 8080 is wanted by the balancer as its httpPort and by the route of c | another port | null',
    ],
  },
  'one port for HTTP and HTTPS': {
    balancer: { httpPort: 443 },
    services: {},
    says: ['E_CONFIG_DUPLICATE_PORT balancer.httpPort: port 443 is wanted as httpPort and as httpsPort | another port | null'],
  },
  'other TLS for the same domain': {
    services: { a: { ...a, route: { domain: shop, tls: files } }, b: { ...b, route: { domain: shop, path: '/b' } } },
    says: [`E_CONFIG_CONFLICT b.route: shop.example.com has other TLS here than in the route of a | ${sameTls}`],
  },
  'other TLS at the same port': {
    services: { a: { ...a, route: { port: 8443, tls: files } }, b: { ...b, route: { port: 8443, path: '/b' } } },
    says: [
      'E_CONFIG_CONFLICT b.route: port 8443 has other TLS or another PROXY protocol here than in the route of a | the same tls and proxyProtocol.accept for all routes of a port | null',
    ],
  },
  'clients of one listener that speak differently': {
    services: { a: { ...a, route: { domain: shop, proxyProtocol: { accept: true } } }, b: { ...b, route: 'b.example.com' } },
    says: [
      'E_CONFIG_CONFLICT b.route: clients speak the PROXY protocol here and not in the route of a, or the other way round | the same proxyProtocol.accept for all domains, which come in at the same port | null',
    ],
  },
  'routes of one service that differ where its instances are concerned': {
    services: {
      a: { ...a, route: [8080, { port: 5432, protocol: 'tcp' }] },
      b: { ...b, route: [8081, { port: 8082, idempotent: true }] },
      c: { ...b, route: [8083, { port: 8084, proxyProtocol: { send: true } }] },
    },
    says: [
      'E_CONFIG_CONFLICT a.route.1: routes by HTTP and by TCP lead to the same port | two services | null',
      'E_CONFIG_CONFLICT b.route.1: one route of the service is idempotent and another is not | the same for all its routes | null',
      'E_CONFIG_CONFLICT c.route.1: one route passes clients to the instances by PROXY protocol, and another does not | the same proxyProtocol.send for all its routes | null',
    ],
  },
  'a job, and a service without a port': {
    services: { a: { ...a, job: true, route: 80 }, b: { ...b, port: false, route: 81 } },
    says: [
      'E_CONFIG_CONFLICT a.route: a job serves no requests: it runs and ends | no route, or replicas or singleton | null',
      "E_CONFIG_CONFLICT b.route: the service has no port that requests could go to | port: 'auto', or no route | null",
    ],
  },
  'neither domain nor port, and both': {
    services: { a: { ...a, route: { path: '/x' } }, b: { ...b, route: { domain: shop, port: 80 } } },
    says: [
      'E_CONFIG_REQUIRED a.route: nothing says which requests come here | exactly one of domain, port | null',
      'E_CONFIG_CONFLICT b.route: domain and port stand side by side | exactly one of domain, port | null',
    ],
  },
  'what TCP has not': {
    services: {
      a: { ...a, route: { port: 5432, protocol: 'tcp', path: '/x', idempotent: true } },
      b: { ...b, route: { domain: shop, protocol: 'tcp' } },
    },
    says: [
      "E_CONFIG_CONFLICT a.route.path: only HTTP has paths | no path, or protocol: 'http' | null",
      "E_CONFIG_CONFLICT a.route.idempotent: only HTTP has requests that could be sent again | no idempotent, or protocol: 'http' | null",
      "E_CONFIG_CONFLICT b.route.protocol: only HTTP says which domain is meant | a port for 'tcp' | null",
    ],
  },
  'automatic certificates from nowhere': {
    services: { a: { ...a, route: { domain: shop, tls: 'auto' } } },
    says: [`E_CONFIG_CONFLICT a.route.tls: nothing says where automatic certificates come from | ${acmeHelp}`],
  },
  'automatic certificates for what none are given': {
    balancer: { acme: true },
    services: { a: { ...a, route: '*.example.com' }, b: { ...b, route: 'localhost' } },
    says: [
      `E_CONFIG_CONFLICT a.route: a certificate for a wildcard is not given for an answer over HTTP (http-01) | ${filesHelp}`,
      `E_CONFIG_CONFLICT b.route: no public authority gives a certificate for localhost | ${filesHelp}`,
    ],
  },
  'half a certificate, and a mere true': {
    services: {
      a: { ...a, route: { domain: shop, tls: { certificate: './a.pem' } } },
      b: { ...b, route: { port: 80, tls: true } },
    },
    says: [
      'E_CONFIG_REQUIRED a.route.tls: the key of the certificate is missing | certificate and key | null',
      "E_CONFIG_TYPE b.route.tls: true is a boolean, which is not accepted here | false, 'auto', or { certificate: './shop.pem', key: './shop.key' } | 'auto'",
    ],
  },
  'letters that are not ASCII': {
    services: { a: { ...a, route: 'bücher.example' } },
    says: [
      "E_CONFIG_VALUE a.route: 'bücher.example' has letters that are not ASCII | the name as it stands in DNS (punycode), such as 'xn--bcher-kva.example' for bücher.example | null",
    ],
  },
  'a port as text, a path alone, and a PROXY protocol of neither side': {
    services: { a: { ...a, route: '8080' }, b: { ...b, route: '/api' }, c: { ...a, route: { port: 1, proxyProtocol: true } } },
    says: [
      "E_CONFIG_TYPE a.route: '8080' is a string, which is not accepted here | a domain such as 'shop.example.com', a port such as 8080, { domain, path, … } or { port, protocol, … } | 8080",
      "E_CONFIG_VALUE b.route: '/api' is not accepted here | a domain such as 'shop.example.com', a port such as 8080, { domain, path, … } or { port, protocol, … } | { domain: 'example.com', path: '/api' }",
      'E_CONFIG_TYPE c.route.proxyProtocol: true is a boolean, which is not accepted here | { accept, send } | { accept: true }',
    ],
  },
  'an ACME server in the clear, and a mail address alone': {
    balancer: { acme: { directory: 'http://acme.example.com/' } },
    services: {},
    says: [
      "E_CONFIG_VALUE balancer.acme.directory: 'http://acme.example.com/' is not accepted here | the URL of an ACME server's directory, with https | null",
    ],
  },
  'addresses that are none': {
    balancer: { address: 'localhost' },
    services: {},
    says: [
      "E_CONFIG_VALUE balancer.address: 'localhost' is not accepted here | an address of this host such as '127.0.0.1' or '::1', or '*' for all | '127.0.0.1'",
    ],
  },
}

for (const [name, { says, ...written }] of Object.entries(bad)) {
  test(`refused: ${name}`, () => assert.deepEqual(refusalsOf(written), says))
}

test('http routes of one port with other paths, and one domain with other paths, go together', () => {
  const { services } = projectOf({
    services: {
      a: { ...a, route: [{ port: 8080 }, { domain: shop, path: '/a' }] },
      b: { ...b, route: [{ port: 8080, path: '/b' }, shop] },
      c: { command: 'c', port: 80, route: 8081 },
    },
    balancer: { httpPort: 8000 },
  })
  assert.deepEqual(
    services.map(({ routes }) => routes.length),
    [2, 2, 1],
  )
})

test("an authority of one's own gives certificates for names of one label", () => {
  const own = { acme: { directory: 'https://ca.internal/dir' } }
  const { services } = projectOf({ balancer: own, services: { web: { command: 'x', route: 'intranet' } } })
  assert.deepEqual(services[0]!.routes[0]!.tls, { kind: 'automatic' })
})

test('an ACME server of one machine may go without TLS', () => {
  for (const directory of ['http://127.0.0.1:14000/dir', 'http://localhost/dir', 'http://[::1]:1/'])
    assert.equal(projectOf({ services: {}, balancer: { acme: { directory } } }).balancer.acme?.directory, directory)
})
