/**
 * The reference of the config, made from the key tables that read it: what the page says is what the reader does.
 * `scripts/docs.ts` writes it; a test holds the page against it.
 */

import { healthKeys, httpKeys, probeKeys } from './health-keys.ts'
import type { AnyKeyTable } from './key-table.ts'
import { logsKeys, restartKeys, stopKeys, updateKeys } from './policy-keys.ts'
import { configKeys, serviceKeys } from './service-keys.ts'

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
    ...section(
      'config',
      'The config',
      'Not supported by this version yet, and refused by name: `hosts`, `provision`.',
      configKeys,
    ),
    ...section('service', 'A service', serviceText, serviceKeys),
    ...section('health', 'health', healthText, healthKeys),
    ...section(
      'probe',
      'A probe',
      'What stands under `startup`, `readiness` and `liveness`. Exactly one of `http`, `tcp`, `exec`.',
      probeKeys,
    ),
    ...section('http', 'http', 'A path, or an object:', httpKeys),
    ...section('stop', 'stop', '', stopKeys),
    ...section('restart', 'restart', 'A policy alone, or an object:', restartKeys),
    ...section('update', 'update', '', updateKeys),
    ...section('logs', 'logs', '', logsKeys),
    ...secretText,
    '',
  ].join('\n')
}

const serviceText =
  'At most one of `replicas`, `singleton`, `job`. Names of services, volumes and stages have 1 to 40 of `a-z`, `0-9` and `-`, begin with a letter and do not end in `-`. ' +
  'Not supported by this version yet, and refused by name: `image`, `schedule`, `timezone`, `everyHost`, `route`.'

const healthText =
  'Either one check with its numbers, which serves as readiness and, with three times the retries, as liveness; or up to three probes ' +
  '(`startup`, `readiness`, `liveness`), each with a check of its own.'

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
]

function section(id: string, title: string, text: string, table: object): readonly string[] {
  const keys = Object.entries(table as AnyKeyTable)
  const rows = keys.map(([name, key]) => {
    const cells = [`\`${name}\``, key.prose, cell(key.reader.accepts), key.default, `\`${name}: ${key.example}\``]
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
