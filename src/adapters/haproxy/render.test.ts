import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { asCanary, draining, listener, makeUpstream, pool, table, toPool } from '../../../test/support/balancer-bed.ts'
import { asServiceName } from '../../core/model/id.ts'
import { selfSigned } from '../../system/self-signed.ts'
import type { RoutingTable } from '../../core/balance/table.ts'
import { admit, differing, retire } from './converge.ts'
import { upstreamOfServer } from './names.ts'
import { parseMap, parseProcesses, parseServers, parseStatistics } from './parse.ts'
import { render, renderFiles, type LocalCertificate } from './render.ts'
import { activeServers, drainingUpstreams } from './servers.ts'

const haproxy = '/usr/sbin/haproxy'
const db = asServiceName('db')

/** Everything that a table can say. */
const full: RoutingTable = table(
  [
    listener(80, { rules: [{ domain: 'shop.test', path: '/', action: { kind: 'redirect', httpsPort: 8443 } }] }),
    listener(8443, {
      tls: true,
      acceptProxy: true,
      rules: [
        { domain: 'shop.test', path: '/api', action: toPool(asServiceName('api')) },
        { domain: '*.shop.test', path: '/a+b', action: toPool(asServiceName('api')) },
        { domain: null, path: '/', action: toPool(asServiceName('web')) },
      ],
    }),
    listener(5432, { protocol: 'tcp', rules: [{ domain: null, path: '/', action: toPool(db) }] }),
  ],
  [
    pool([makeUpstream(0, 20000)], { id: asServiceName('api'), retry: 'all', sendProxy: true }),
    pool([makeUpstream(1, 20001)], { id: db, protocol: 'tcp' }),
    pool([makeUpstream(2, 20002), draining(makeUpstream(3, 20003)), asCanary(makeUpstream(4, 20004))], { canaryShare: 0.05 }),
  ],
  { accessLog: true, limits: { bodyBytes: 1_000_000 }, challenges: { token: 'token.print' } },
)
const certificates: readonly LocalCertificate[] = [
  { file: 'certificates/default.pem', digest: 'd', names: [] },
  { file: 'certificates/0123.pem', digest: 'd', names: ['shop.test', '*.shop.test'] },
]

test('a table becomes the files that a person has read and approved', () => {
  const rendered = renderFiles(render(full, { certificates, user: 'haproxy', hasIpv6: true }))
  const text = [...rendered].map(([file, content]) => `==> ${file}\n${content}`).join('\n')
  const golden = join(import.meta.dirname, 'testdata/full.txt')
  if (process.env['UPDATE_GOLDEN'] === 'yes') writeFileSync(golden, text)
  assert.equal(text, readFileSync(golden, 'utf8'))
})

for (const [what, wanted] of [
  ['everything', full],
  ['what stays while all is taken down', { ...full, listeners: [] }],
] as const) {
  test(
    `HAProxy itself finds nothing wrong with ${what}`,
    { skip: existsSync(haproxy) ? false : 'haproxy is not installed' },
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'daruma-render-'))
      try {
        const rendered = renderFiles(render(wanted, { certificates, user: null, hasIpv6: false }))
        for (const [file, content] of rendered) {
          mkdirSync(dirname(join(folder, file)), { recursive: true })
          writeFileSync(join(folder, file), content)
        }
        mkdirSync(join(folder, 'certificates'))
        for (const { file } of certificates) writeFileSync(join(folder, file), selfSigned(['shop.test'], Date.now()))
        const { status, stdout, stderr } = spawnSync(haproxy, ['-c', '-f', 'haproxy.cfg'], { cwd: folder, encoding: 'utf8' })
        assert.deepEqual({ status, words: `${stdout}${stderr}`.trim() }, { status: 0, words: 'Configuration file is valid' })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
}

test('upstreams, shares, challenges and rules are no part of the shape; listeners, pools and settings are', () => {
  const context = { certificates, user: null, hasIpv6: false }
  const shapeOf = (wanted: RoutingTable): string => render(wanted, context).shape
  const [first, ...pools] = full.pools
  assert.ok(first !== undefined)
  assert.equal(
    shapeOf({ ...full, pools: [{ ...first, upstreams: [], canaryShare: null }, ...pools], challenges: {} }),
    shapeOf(full),
  )
  assert.equal(
    shapeOf({ ...full, listeners: full.listeners.map((each) => ({ ...each, rules: [...each.rules, ...each.rules] })) }),
    shapeOf(full),
  )
  const others = [
    { ...full, pools },
    { ...full, listeners: full.listeners.slice(1) },
    { ...full, pools: [{ ...first, retry: 'safe' as const }, ...pools] },
    { ...full, settings: { ...full.settings, accessLog: false } },
    { ...full, settings: { ...full.settings, limits: { ...full.settings.limits, idleTimeoutMs: 1 } } },
  ]
  assert.equal(new Set([...others, full].map(shapeOf)).size, others.length + 1)
})

test('what is there as it should be needs no command; what is new comes before anything goes', () => {
  const wanted = full.pools.flatMap(activeServers)
  const backends = new Set(wanted.map(({ backend }) => backend))
  const servers = wanted.map(({ backend, name }) => ({ backend, name, isMaintained: false, isDrained: false }))
  const leaves = { backend: 'pool:web', name: 'web:9.9', isMaintained: false, isDrained: false }
  const drains = { backend: 'pool:web', name: 'web:3.1048579', isMaintained: false, isDrained: false }
  const back = { ...servers[0]!, isDrained: true }
  const ids = drainingUpstreams(full.pools)
  assert.deepEqual(
    [admit({ servers, backends }, wanted), retire({ servers, backends }, wanted, ids)],
    [[], { steps: [], leaving: [] }],
  )
  const changed = { servers: [back, ...servers.slice(2), leaves, drains], backends }
  assert.deepEqual(
    admit(changed, wanted).map(({ command }) =>
      (typeof command === 'string' ? command : command.line).split(' ').slice(0, 3).join(' '),
    ),
    [
      `set server ${back.backend}/${back.name}`,
      `add server ${servers[1]!.backend}/${servers[1]!.name}`,
      `enable server ${servers[1]!.backend}/${servers[1]!.name}`,
    ],
  )
  const { steps, leaving } = retire(changed, wanted, ids)
  assert.deepEqual(
    steps.map(({ command }) => command),
    ['set server pool:web/web:9.9 state maint', 'set server pool:web/web:3.1048579 state drain'],
  )
  assert.deepEqual(leaving, ['pool:web/web:9.9'])
})

test('HAProxy’s answers are understood', () => {
  const processes =
    '#<PID>  <type>  <reloads>\n5  master  2 [failed: 0]  0d  2.6\n# workers\n9  worker  0  0d  2.6\n# old workers\n7  worker  2  0d  2.6\n8  worker  1  0d  2.6\n# programs\n'
  assert.deepEqual(parseProcesses(processes), [
    { pid: 9, reloads: 0 },
    { pid: 8, reloads: 1 },
    { pid: 7, reloads: 2 },
  ])
  const state =
    '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port\n2 pool:web 1 web:0.1 127.0.0.1 2 8 19001\n2 pool:web 2 web:1.1.b 127.0.0.1 2 1 19002\n'
  assert.deepEqual(parseServers(state), [
    { backend: 'pool:web', name: 'web:0.1', isMaintained: false, isDrained: true },
    { backend: 'pool:web', name: 'web:1.1.b', isMaintained: true, isDrained: false },
  ])
  assert.equal(parseMap('Unknown map identifier. Please use #<id> or <file>.'), null)
  assert.deepEqual(parseMap('0x55ab a.com/ pool:web\n0x55ac /x/ >:8443\n'), [
    { key: 'a.com/', value: 'pool:web' },
    { key: '/x/', value: '>:8443' },
  ])
  assert.deepEqual(
    differing(
      new Map([
        ['m', []],
        ['n', []],
        ['o', []],
      ]),
      new Map([
        ['m', []],
        ['n', [{ key: 'a', value: 'b' }]],
        ['o', null],
      ]),
    ),
    [{ file: 'n', entries: [] }],
  )
  const [row] = parseStatistics('# pxname,svname,scur,status\npool:web,BACKEND,3,UP\n')
  assert.deepEqual(
    [row?.proxy, row?.server, row?.number('scur'), row?.text('status'), row?.number('nothing')],
    ['pool:web', 'BACKEND', 3, 'UP', 0],
  )
  assert.deepEqual(['web:0.1048577', 'web:0.1.p.b', 'BACKEND', 'x'].map(upstreamOfServer), [
    'web/0#1048577',
    'web/0#1',
    null,
    null,
  ])
})
