/**
 * The reference of the config, made from the key tables that read it: what the page says is what the reader does.
 * `scripts/docs.ts` writes it; a test holds the page against it.
 */

import { type AnyKeys, describeDefault } from '../keys/key.ts'
import { type TableName, tables } from '../keys/tables.ts'

/** Markdown; ends with a line feed. */
export function renderConfigReference(): string {
  return [
    '# Reference: the config',
    '',
    'Written by `node scripts/docs.ts` from the tables that read a config; do not edit it by hand.',
    '',
    'A config is a TypeScript or JavaScript module, `daruma.config.ts`, whose default export says what runs:',
    '',
    '```ts',
    "import { define, secret } from 'daruma'",
    '',
    'export default define(({ stage }) => ({',
    "  name: 'shop',",
    '  services: {',
    "    web: { command: 'node server.js', replicas: stage === 'production' ? 3 : 1, health: { http: '/healthz' }, after: ['migrate'] },",
    "    worker: { command: ['node', 'worker.js'], singleton: true, environment: { DB_PASSWORD: secret('DB_PASSWORD') } },",
    "    migrate: { command: 'node migrate.js', job: true },",
    '  },',
    '}))',
    '```',
    '',
    'The file is run by Node itself, so its types must be erasable (no `enum`, no `namespace` with code); it is always an ES module, and so',
    'are the `.ts` files that it imports. `define` takes an object, or a function of `{ stage }` (null without `--stage`) that returns one or',
    'a promise of one. An unknown key is an error. `undefined` is the same as leaving the key out.',
    '',
    "Durations have a unit: `'250ms'`, `'30s'`, `'1m30s'`, `'2h'`, `'7d'`. Sizes have one, too: `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, `KB`, `MB`,",
    '`GB`, `TB` of 1000. A number alone is neither.',
    '',
    ...section('config', 'The config', 'Not supported by this version yet, and refused by name: `hosts`, `provision`.'),
    ...section('service', 'A service', serviceText),
    ...section('health', 'health', healthText),
    ...section(
      'probe',
      'A probe',
      'What stands under `startup`, `readiness` and `liveness`. Exactly one of `http`, `tcp`, `exec`.',
    ),
    ...section('http', 'http', 'A path, or an object:'),
    ...section('stop', 'stop', ''),
    ...section('restart', 'restart', 'A policy alone, or an object:'),
    ...section('update', 'update', ''),
    ...section('canary', 'canary', canaryText),
    ...section('logs', 'logs', ''),
    ...section('source', 'source', sourceText),
    ...section('build', 'build', 'A command alone, or an object:'),
    ...section('image', 'image', 'A reference in a registry, or an object with exactly one of `archive` and `build`:'),
    ...section('registry', 'registry', ''),
    ...section('schedule', 'schedule', scheduleText),
    ...section('route', 'route', routeText),
    ...section('tls', 'tls', "`false`, `'auto'`, or an object:"),
    ...section('proxy-protocol', 'proxyProtocol', ''),
    ...section('balancer', 'balancer', balancerText),
    ...section('limits', 'limits', 'Of the balancer. What is beyond them gets an answer and does no harm to the others.'),
    ...section('acme', 'acme', '`true` for the defaults, or an object:'),
    ...section('notify', 'notify', notifyText),
    ...secretText,
    '',
  ].join('\n')
}

const serviceText =
  'At most one of `replicas`, `singleton`, `job`, `schedule`; a `command`, an `image`, or both. `pull`, `registry`, `containerPort`, `readOnly`, `capabilities` and `network` ' +
  'are for services with an image. Names of services, volumes and stages have 1 to 40 of `a-z`, `0-9` and `-`, begin with a letter and do not end in `-`. ' +
  'Not supported by this version yet, and refused by name: `everyHost`.'

const sourceText =
  'A path alone, or an object. A file is its path, its content and whether it may be executed: owner, group, times and the rest of the mode are no part of a release, ' +
  'so the same files give the same one wherever they are read, and by whom. Links are kept as they are and do not lead out of the folder; empty folders are kept. ' +
  'Sockets, pipes, devices, setuid files and names that are not UTF-8 are refused by name.'

const canaryText =
  'For replicas with a route by HTTP that are replaced start-first. The new revision gets its share of the requests; when it fails, by a probe or by its answers, the old one gets everything back.'

const scheduleText =
  "A cron expression alone, with `timezone` beside it, or an object. Five fields (minute, hour, day of the month, month, day of the week), six with seconds in front, or a word: `'@yearly'`, `'@monthly'`, `'@weekly'`, `'@daily'`, `'@hourly'`. " +
  'A schedule has no health, no `restart` (its `retries` are here) and no `update`, and nothing can wait for it by `after`.'

const routeText =
  'A domain alone, a port alone, an object with exactly one of `domain` and `port`, or an array of them. No two routes have the same domain and path, or the same port and path. The service has a port, and is neither a job nor a schedule. ' +
  'Routes of one domain or one port have the same `tls` and `proxyProtocol.accept`; routes of one service the same protocol, `idempotent` and `proxyProtocol.send`.'

const balancerText = 'It runs when a service has a route, and is one for all of them.'

const healthText =
  'Either one check with its numbers, which serves as readiness and, with three times the retries, as liveness; or up to three probes ' +
  '(`startup`, `readiness`, `liveness`), each with a check of its own.'

const notifyText =
  'An object with exactly one of `webhook` and `command`, or an array of at most 10 of them. Which notices are sent, when and how is in [notices](notices.md); `daruma notify test` tries it.'

const secretText = [
  '## Secrets',
  '',
  'A secret is named, never written. `daruma up` asks for its value and hands it to the daemon; it stands in no revision, no plan, no log of',
  'Daruma and no command line. A value has at most 120 KiB and is not empty.',
  '',
  '| written | value |',
  '|---|---|',
  "| `secret('NAME')` | the environment variable `NAME` of `daruma up` |",
  "| `secret.file('./password')` | the content of the file, from the config's folder, without the line feed at its end |",
  "| `secret.command(['pass', 'show', 'db'])` | what the program writes to its standard output within 10 s, without the line feed at its end; no shell is involved |",
  '',
  "With `{ as: 'file' }` as a last argument (`secret('DB_PASSWORD', { as: 'file' })`) the program is given the value as a file that only its user can",
  'read: on a file system in memory that is not swapped where the kernel can promise it, never on a disk, made at each start and removed with the instance.',
  'Its path is in `DARUMA_SECRET_<NAME>` (`DARUMA_SECRET_DB_PASSWORD`), and the variable itself is not set. In a container it is `/run/secrets/<NAME>`, of mode',
  '0400 where the user is `root` or a number, of mode 0444 where it is a name that only the image knows.',
]

function section(id: TableName, title: string, text: string): readonly string[] {
  const table: AnyKeys = tables[id]
  const rows = Object.entries(table).map(([field, key]) => {
    const name = key.key ?? field
    const cells = [`\`${name}\``, key.prose, cell(key.type.accepts), describeDefault(key), `\`${name}: ${key.example}\``]
    return `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  })
  const anchor = title.toLowerCase() === id ? [] : [`<a id="${id}"></a>`, '']
  const words = text === '' ? [] : [text, '']
  return [
    ...anchor,
    `## ${title}`,
    '',
    ...words,
    '| key | what it is for | allowed | default | example |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ]
}

/** An object's own keys have a section; the cell need not repeat them. */
function cell(accepts: string): string {
  return accepts.replace(/an object with [\w, ]+$/, 'an object, see below')
}
