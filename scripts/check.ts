/**
 * `npm run check`: types, lint, format, dead code and house rules, one line a stage. Each stage must say how many files it looked at
 * and is held to the number on disk: tools of this kind say "no violations" just as gladly when they saw nothing.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { codeFiles, root } from './tree.ts'
import { tidyRepository } from './tidy/repository.ts'

interface Outcome {
  readonly ok: boolean
  /** Files of ours that were looked at. */
  readonly seen: number
  /** What to print when it did not pass. */
  readonly output: string
}

const stages: Readonly<Record<string, () => Outcome>> = {
  types: () => {
    const run = node('node_modules/typescript/bin/tsc', ['-b', '--pretty', 'false'])
    return { ...run, seen: typedFiles() }
  },
  lint: () => {
    const run = node('node_modules/oxlint/bin/oxlint', ['--type-aware', ...codeFiles()])
    return { ...run, seen: countIn(run.output, /on (\d+) files with/) }
  },
  format: () => {
    const run = node('node_modules/oxfmt/bin/oxfmt', ['--check', ...codeFiles()])
    return { ...run, seen: countIn(run.output, /on (\d+) files using/) }
  },
  'dead code': () => {
    const run = node('node_modules/knip/bin/knip.js', [
      '--no-progress',
      '--no-config-hints',
      '--reporter',
      'symbols',
      '--reporter',
      './scripts/knip-reporter.config.ts',
    ])
    return { ...run, seen: countIn(run.output, /knip looked at (\d+) files/) }
  },
  tidy: () => {
    const { sources, texts, violations } = tidyRepository()
    const output = violations.map(({ path, message }) => `${path} ${message}`).join('\n')
    return { ok: violations.length === 0 && texts >= sources, seen: sources, output }
  },
}

function check(): void {
  for (const [name, stage] of Object.entries(stages)) {
    const startedAt = performance.now()
    const onDisk = codeFiles().length
    const { ok, seen, output } = stage()
    const isBlind = seen < onDisk
    const verdict = ok && !isBlind ? 'ok' : 'FAILED'
    console.log(
      `${name.padEnd(10)} ${verdict.padEnd(7)} ${seen} of ${onDisk} files  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
    )
    if (!ok) console.log(output.trimEnd())
    if (isBlind) console.log(`${name} looked at ${seen} files, but there are ${onDisk}: the guard itself is broken`)
    if (verdict !== 'ok') process.exitCode = 1
  }
}

function node(script: string, options: readonly string[]): { readonly ok: boolean; readonly output: string } {
  const result = spawnSync(process.execPath, [join(root, script), ...options], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
  })
  if (result.error) throw result.error
  return { ok: result.status === 0, output: result.stdout + result.stderr }
}

function countIn(output: string, pattern: RegExp): number {
  return Number(pattern.exec(output)?.[1] ?? 0)
}

/** The compiler writes what each project consists of into its build record; our own files in all of them together, each once. */
function typedFiles(): number {
  const records = [
    'dist/core/tsconfig.tsbuildinfo',
    'dist/tsconfig.tsbuildinfo',
    'node_modules/.cache/test.tsbuildinfo',
    'node_modules/.cache/dashboard.tsbuildinfo',
  ]
  const wanted = new Set(codeFiles().map((path) => join(root, path)))
  const seen = new Set<string>()
  for (const record of records) {
    const { fileNames } = JSON.parse(readFileSync(join(root, record), 'utf8')) as { readonly fileNames: readonly string[] }
    for (const name of fileNames) seen.add(resolve(root, dirname(record), name))
  }
  return [...wanted].filter((path) => seen.has(path)).length
}

check()
