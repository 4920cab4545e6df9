/**
 * The floor table of ARCHITECTURE.md as data: which folder of `src/` may import which, and which packages. Imports go down only;
 * what is not in the table is not allowed, so a new folder starts by getting its row here.
 */

interface Floor {
  /** Areas whose files may be imported; the area itself always may. */
  readonly mayImport: readonly string[]
  /** Areas of which types only may be imported: nothing of them is loaded at run time. */
  readonly typesOf?: readonly string[]
  /** What else may be imported: a package, `node:` for all of Node, or `node:path` for one module. */
  readonly packages: readonly string[]
}

const library = ['core', 'sdk', 'protocol', 'ports'] as const
/** What a loop that also runs in the simulator may take from Node: nothing that reaches the world or the clock. */
const pureNode = ['node:assert', 'node:path', 'node:crypto', 'node:events', 'node:buffer', 'node:util'] as const

export const floors: Readonly<Record<string, Floor>> = {
  core: { mayImport: [], packages: [] },
  sdk: { mayImport: [], typesOf: ['core'], packages: [] },
  // Where the daemon listens is a rule that both ends must share, and finding it looks at the file system.
  protocol: { mayImport: ['core', 'ports'], packages: ['node:fs', 'node:path'] },
  ports: { mayImport: ['core'], packages: ['node:assert'] },
  // The sdk and a computed import are for the loader of the user's config, the API's types for its HTTP server.
  adapters: {
    mayImport: ['core', 'sdk', 'ports', 'host', 'system', 'image-build'],
    typesOf: ['protocol'],
    packages: ['node:', 'acme-client', 'croner', 'ignore', 'oxc-parser', 'undici', 'yaml', '(computed)'],
  },
  host: { mayImport: ['core', 'system'], typesOf: ['ports'], packages: ['node:'] },
  // What Node and the kernel lack a plain word for. It decides nothing and remembers nothing.
  system: { mayImport: ['core'], typesOf: ['ports'], packages: ['node:'] },
  // The files that an image is built from: read by the loader of a config and by what builds.
  'image-build': { mayImport: ['core', 'system'], packages: ['node:'] },
  provision: { mayImport: ['core', 'ports'], packages: pureNode },
  server: { mayImport: [...library, 'host', 'system', 'provision'], packages: pureNode },
  agent: { mayImport: [...library, 'host', 'system', 'provision'], packages: pureNode },
  // Puts the two halves together for one machine, for production and the simulator alike, and answers the commands.
  daemon: { mayImport: [...library, 'host', 'system', 'provision', 'server', 'agent'], packages: pureNode },
  // Writes a config as a person would have, whatever it was found in; Compose files are the largest of these, and stand alone.
  proposal: { mayImport: ['core', 'ports'], packages: [] },
  compose: { mayImport: ['core', 'ports', 'proposal'], packages: ['node:', 'yaml'] },
  cli: {
    mayImport: [...library, 'host', 'system', 'provision', 'proposal', 'compose'],
    packages: ['node:', 'commander', 'diff'],
  },
  main: {
    mayImport: [...library, 'adapters', 'host', 'system', 'provision', 'server', 'agent', 'daemon', 'cli'],
    packages: ['node:', 'commander'],
  },
  sim: {
    mayImport: [...library, 'adapters', 'host', 'system', 'provision', 'server', 'agent', 'daemon', 'cli'],
    packages: ['node:'],
  },
  // The core runs in a browser as anywhere: what both the page and the terminal say of a thing is said there once.
  dashboard: { mayImport: ['core'], typesOf: ['protocol'], packages: ['preact', 'uplot'] },
}

/** The parts of the core; a new one is a decision, not a drawer. The first three stand on each other, and all others on them. */
export const coreParts: readonly string[] = [
  'values',
  'keys',
  'model',
  'notices',
  'config',
  'plan',
  'schedule',
  'claim',
  'instance',
  'rollout',
  'cron',
  'balance',
  'release',
]

/** Why the file at `path` has no place in the house, or null. Paths are relative to the root, with `/`. */
export function misplaced(path: string): string | null {
  const [, area = '', part = '', ...rest] = path.split('/')
  if (!(area in floors) || part === '') return `unknown folder: no floor is called "${part === '' ? 'src' : area}"`
  if (area === 'core' && (rest.length === 0 || !coreParts.includes(part))) return `unknown folder: the core has no part "${part}"`
  if (area === 'adapters' && rest.length === 0) return 'an adapter is a folder: adapters/<thing>/'
  return null
}

/** What stands at the bottom of the core, each on those before it. */
const coreGround: readonly string[] = ['values', 'keys', 'model']

/** Why the file at `from` may not import the file at `to`, or null. */
export function forbidden(from: string, to: string, isTypeOnly: boolean): string | null {
  const [, fromArea = '', fromThing = ''] = from.split('/')
  const [, toArea = '', toThing = ''] = to.split('/')
  const floor = floors[fromArea]
  if (floor === undefined || !to.startsWith('src/')) return `imports ${to}, which is on no floor`
  if (fromArea === 'adapters' && toArea === 'adapters' && fromThing !== toThing) return `imports its sibling adapter ${to}`
  if (fromArea === 'core' && toArea === 'core') {
    const ground = coreGround.indexOf(fromThing)
    const isUp = ground >= 0 && fromThing !== toThing && !coreGround.slice(0, ground).includes(toThing)
    return isUp ? `imports ${to}: core/${fromThing} stands below core/${toThing}` : null
  }
  if (fromArea === toArea || floor.mayImport.includes(toArea)) return null
  if (floor.typesOf?.includes(toArea)) return isTypeOnly ? null : `imports ${to}: only types of ${toArea} may come here`
  return `imports ${to}: ${fromArea} stands below or beside ${toArea}`
}

/** Why the file at `from` may not import the package or built-in module `name`, or null. */
export function forbiddenPackage(from: string, name: string): string | null {
  const area = from.split('/')[1] ?? ''
  const isAllowed = floors[area]?.packages.some(
    (allowed) => name === allowed || name.startsWith(allowed.endsWith(':') ? allowed : `${allowed}/`),
  )
  return isAllowed === true ? null : `imports ${name}, which ${area} may not use`
}
