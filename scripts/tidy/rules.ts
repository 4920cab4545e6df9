/**
 * The house rules that no linter knows, as one function over the files. A rule here is a sentence of CONTRIBUTING.md or the floor
 * table; `test/tidy.test.ts` shows each of them a bad sample, because a guard that cannot fail is a defect.
 */
import { forbidden, forbiddenPackage, misplaced } from './floors.ts'
import { resolveImport, type Source } from './source.ts'

export interface Violation {
  readonly path: string
  readonly message: string
}

export const longestFileLines: number = 400

/** More files than this in one folder are no longer taken in at a glance. Tests stand beside what they test and do not count. */
export const mostFilesOfFolder: number = 16
/** More files than this with one word in front are a folder of that name. */
const mostOfOnePrefix = 11

export function tidy(sources: readonly Source[]): readonly Violation[] {
  const known = new Set(sources.map((source) => source.path))
  return [
    ...sources.flatMap((source) =>
      [...fileProblems(source), ...importProblems(source, known)].map((message) => ({ path: source.path, message })),
    ),
    ...cycles(sources),
    ...fullFolders(sources),
  ]
}

function fileProblems(source: Source): readonly string[] {
  const problems = source.errors.map((error) => `cannot be parsed: ${error}`)
  if (!source.hasHeader && !isTest(source.path)) problems.push('does not open with a /** comment that says what it is')
  if (source.hasDefaultExport && !source.path.endsWith('.config.ts')) problems.push('has a default export')
  if (source.lines > longestFileLines && !isTest(source.path))
    problems.push(`has ${source.lines} lines; more than ${longestFileLines} is two ideas`)
  return [...problems, ...nameProblems(source.path)]
}

const drawers = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'managers', 'impl', 'misc'])

function nameProblems(path: string): readonly string[] {
  const problems: string[] = []
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|contract|config))?\.tsx?$/.test(name)) problems.push('is not named in kebab-case')
  for (const word of path.split(/[/.-]/)) if (drawers.has(word)) problems.push(`is named "${word}", which says nothing`)
  return problems
}

/** Tests may assemble anything, as `main/` does; the floors are about what runs in production. */
function importProblems(source: Source, known: ReadonlySet<string>): readonly string[] {
  const inHouse = source.path.startsWith('src/')
  const place = inHouse ? misplaced(source.path) : null
  if (place !== null) return [place]
  const problems: string[] = []
  for (const { specifier, isTypeOnly } of source.imports) {
    const target = resolveImport(source.path, specifier)
    if (target !== null && /\.tsx?$/.test(target) && !known.has(target)) problems.push(`imports ${target}, which does not exist`)
    if (!inHouse || isTest(source.path)) continue
    const problem = target === null ? forbiddenPackage(source.path, specifier) : forbidden(source.path, target, isTypeOnly)
    if (problem !== null) problems.push(problem)
    if (target !== null && isTest(target)) problems.push(`imports the test ${target}`)
  }
  return problems
}

const isTest = (path: string): boolean => /\.(?:test|contract)\.ts$/.test(path) || path.startsWith('test/')

/**
 * Each cycle once, named from its alphabetically first file. Types count too: files that need each other are one file. So does what is
 * loaded lazily: a table that names what needs the table hands itself over.
 */
function cycles(sources: readonly Source[]): readonly Violation[] {
  const targets = new Map(
    sources.map((source) => [
      source.path,
      source.imports.flatMap(({ specifier }) => resolveImport(source.path, specifier) ?? []),
    ]),
  )
  const found = new Map<string, Violation>()
  const finished = new Set<string>()
  const trail: string[] = []
  for (const source of sources) visit(source.path)
  return [...found.values()]

  function visit(path: string): void {
    const start = trail.indexOf(path)
    if (start >= 0) return record(trail.slice(start))
    if (finished.has(path)) return
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    finished.add(path)
  }

  function record(ring: readonly string[]): void {
    const first = ring.indexOf(ring.toSorted()[0] ?? '')
    const turned = [...ring.slice(first), ...ring.slice(0, first)]
    const message = `is in a cycle: ${[...turned, turned[0]].join(' → ')}`
    found.set(message, { path: turned[0] ?? '', message })
  }
}

function fullFolders(sources: readonly Source[]): readonly Violation[] {
  const files = sources.filter(({ path }) => path.startsWith('src/') && !isTest(path))
  const folders = Map.groupBy(files, ({ path }) => path.slice(0, path.lastIndexOf('/')))
  return [...folders].flatMap(([path, inside]) => {
    const tooMany =
      inside.length > mostFilesOfFolder ? [`has ${inside.length} files; more than ${mostFilesOfFolder} want rooms`] : []
    const prefixes = Map.groupBy(inside, (source) => source.path.slice(path.length + 1).split(/[-.]/)[0] ?? '')
    const alike = [...prefixes].filter(([, { length: count }]) => count > mostOfOnePrefix)
    return [
      ...tooMany,
      ...alike.map(([word, { length: count }]) => `has ${count} files called ${word}-…: a folder of that name`),
    ].map((message) => ({ path, message }))
  })
}
