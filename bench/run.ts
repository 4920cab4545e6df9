/**
 * `npm run -s bench -- NAME [--json]`: measures one thing, side by side with those who do the same on the same machine. Ratios hold
 * from machine to machine, absolute numbers do not; nothing else should run meanwhile.
 */

import type { Row } from './measure.ts'

const benches: Readonly<Record<string, { readonly what: string; readonly load: () => Promise<() => Promise<readonly Row[]>> }>> =
  {
    respawn: {
      what: 'kill -9 of an instance until its successor does its first action; back-off off everywhere',
      load: async () => (await import('./respawn.ts')).respawn,
    },
    start: {
      what: '50 programs from the command until the last one did its first action; nothing running before',
      load: async () => (await import('./start.ts')).start,
    },
    idle: {
      what: 'memory, and CPU over 60 s, with 50 idle programs; memory with a route, the page and metrics',
      load: async () => (await import('./idle.ts')).idle,
    },
    balancer: {
      what: 'requests a second through HAProxy as we drive it, beside a hand-written config, nginx and Caddy; memory',
      load: async () => (await import('./balancer.ts')).balancer,
    },
    'balancer-embedded': {
      what: 'requests a second through the embedded balancer, beside a minimal proxy of node:http and Caddy; its memory',
      load: async () => (await import('./balancer-embedded.ts')).balancerEmbedded,
    },
    'container-start': {
      what: "what the daemon adds to the engine's own time for creating and starting a container",
      load: async () => (await import('./container-start.ts')).containerStart,
    },
    'containers-50': {
      what: '50 containers through `daruma up`, beside `docker run -d` 50 times; the memory of the daemon with them',
      load: async () => (await import('./containers-50.ts')).containers50,
    },
    ticks: {
      what: '200 and 1,000 schedules due in one second, until the last of them did its first action; each once',
      load: async () => (await import('./ticks.ts')).ticks,
    },
    logs: {
      what: '50,000 lines a second from one service for 60 s: what is lost, the bound, CPU beside svlogd and multilog',
      load: async () => (await import('./logs.ts')).logs,
    },
    neighbours: {
      what: 'a project of 20 services beside one whose 5,000 services all crash-loop: its respawn and `up`, beside those without it',
      load: async () => (await import('./neighbours.ts')).neighbours,
    },
    projects: {
      what: 'memory, and CPU over 60 s, with 50 idle programs in 1 project and in 10 projects of one daemon',
      load: async () => (await import('./projects.ts')).projects,
    },
    noop: {
      what: '`up` that changes nothing with 200 instances, and the plan of 10,000 services; whole process',
      load: async () => (await import('./noop.ts')).noop,
    },
    source: {
      what: 'releases of 10,000 files: `up` that finds them unchanged, and the first one beside rsync; whole process',
      load: async () => (await import('./source.ts')).source,
    },
    rollout: {
      what: 'open-loop load, 2,000 a second, 20 % POST, never sent twice, through 10 rolling updates of 3 replicas',
      load: async () => (await import('./rollout.ts')).rollout,
    },
    dashboard: {
      what: 'the page: its size, its first paint before a daemon with 50 services, what looking costs',
      load: async () => (await import('./dashboard.ts')).dashboard,
    },
  }

const signs = { below: '<', 'at least': '>=', 'at most': '<=' } as const

const words = process.argv.slice(2)
const isJson = words.includes('--json')
const names = words.filter((word) => !word.startsWith('-'))
const unknown = names.filter((name) => benches[name] === undefined)
if (names.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`no bench "${name}"`)
  console.error(`usage: npm run -s bench -- NAME... [--json]\n${describeAll()}`)
  process.exitCode = 1
} else {
  for (const name of names) await measure(name)
}

async function measure(name: string): Promise<void> {
  const bench = benches[name]
  if (bench === undefined) return
  if (!isJson) console.log(`${name}: ${bench.what}`)
  const run = await bench.load()
  const rows = await run()
  console.log(isJson ? rows.map((row) => JSON.stringify(row)).join('\n') : table(rows))
  if (rows.some(({ met }) => met === false)) process.exitCode = 1
}

function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${round(row.value)} ${row.unit}`,
    row.target === null
      ? ''
      : `${signs[row.goal ?? 'below']} ${Number.isInteger(row.target) ? row.target : round(row.target)} ${row.unit}`,
    row.met === null ? '' : row.met ? 'met' : 'MISSED',
    row.ratio === null ? '' : `${round(row.ratio)}x ${row.ratio >= 1 ? 'better than' : 'of'} ${row.against}`,
  ])
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  return cells.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()).join('\n')
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function describeAll(): string {
  return Object.entries(benches)
    .map(([name, { what }]) => `  ${name.padEnd(18)} ${what}`)
    .join('\n')
}
