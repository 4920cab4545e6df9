/** From what was found to the text of a first config, with comments that a person goes through. */

import type { Found } from '../../proposal/found.ts'
import { literal, onOneLine, propertyName } from '../../proposal/literal.ts'
import { type Proposed, type Refused, settle } from '../../proposal/settle.ts'

/** `directory`: where the config will stand. */
export function proposeConfig(found: Found, directory: string = '/'): string {
  const { name, services, dropped } = settle(found, directory)
  const isEmpty = services.length === 0
  const usesSecret = services.some(({ written }) => literal(written, onOneLine).includes('secret'))
  const sources = [...new Set(found.services.map(({ source }) => source))]
  const lines = [
    `// Written by daruma init${sources.length === 0 ? '' : ` from ${oneLine(sources.join(', '))}`}. Look it through, then: daruma plan, daruma up`,
    '// Every key is explained in docs/reference/config.md.',
    ...found.notes.map((note) => `// ${oneLine(note)}`),
    `import { define${usesSecret ? ', secret' : ''} } from 'daruma'`,
    '',
    'export default define({',
    `  name: ${literal(name, 1)},`,
    '  services: {',
    ...(isEmpty ? example : services.flatMap(renderService)),
    ...dropped.flatMap(renderDropped),
    '  },',
    '})',
  ]
  return `${lines.join('\n')}\n`
}

const kindHint = "// replicas: 3,          or  singleton: true  or  job: true  or  schedule: '0 3 * * *'"

/** Something that runs anywhere, to be replaced. */
const example = [
  '    // Replace this by what you run: a string is run by sh, an array directly.',
  '    hello: {',
  "      command: 'while :; do date; sleep 5; done',",
  "      // source: './web',   its files, kept as they are at each up; { path: './web', build: 'npm ci' } makes them ready",
  `      ${kindHint}`,
  "      // image: 'docker.io/library/redis:7',   a container; its command is its own",
  "      // environment: { LOG_LEVEL: 'info' },",
  "      // health: { http: '/healthz', interval: '1s' },   the port is in the variable PORT",
  "      // route: 8080,          or  { domain: 'shop.example.com' }: requests from outside, to those that are ready",
  "      // memory: '256MiB',",
  '    },',
]

function renderService(service: Proposed): readonly string[] {
  const { written } = service
  const hints: string[] = []
  const isKindSaid = ['replicas', 'singleton', 'job', 'schedule'].some((kind) => written[kind] !== undefined)
  if (!isKindSaid) hints.push(`      ${kindHint}`)
  if (written['health'] === undefined && /^(?:web|api|app|server|serve)\b/.test(service.name))
    hints.push("      // health: { http: '/healthz', interval: '1s' },")
  return [
    `    // ${oneLine(service.source)}`,
    ...notesOf(service).map((note) => `    // ${oneLine(note)}`),
    `    ${propertyName(service.name)}: {`,
    ...Object.entries(written).map(([key, value]) => `      ${key}: ${literal(value, 3)},`),
    ...hints,
    '    },',
  ]
}

function renderDropped(service: Proposed): readonly string[] {
  const rest = Object.entries(service.written).map(([key, value]) => `    //   ${key}: ${oneLine(literal(value, onOneLine))},`)
  return [
    `    // ${service.name} (${oneLine(service.source)}) could not be carried over:`,
    ...notesOf(service).map((note) => `    //   ${oneLine(note)}`),
    ...rest,
  ]
}

const notesOf = ({ notes, refused }: Proposed): readonly string[] => [...notes, ...refused.map(refusalText)]
const refusalText = ({ where, value, message }: Refused): string => `${where}: ${literal(value, onOneLine)}: ${message}`

/** Notes hold other people's text: a line break would end the comment, an escape would reach the terminal. */
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ')
