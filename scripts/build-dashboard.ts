/**
 * The page: `src/dashboard` bundled by Vite into `dist/dashboard`. What it was made from is remembered by a digest, so that a build that
 * would give the same takes no time. Types are the compiler's business; Vite only takes them away.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, root } from './tree.ts'

const sources = join(root, 'src/dashboard')
const output = join(root, 'dist/dashboard')
const stamp = join(output, '.made-from')
/** What else the result depends on: the versions of what is bundled, and this file. */
const settings = ['package-lock.json', 'scripts/build-dashboard.ts']

/** 0, or 1 with the reason told. */
export async function buildDashboard(): Promise<number> {
  if (!existsSync(join(sources, 'index.html'))) return 0
  const wanted = digestOfSources()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && existsSync(join(output, 'index.html'))) return 0
  const vite = await import('vite').catch(() => null)
  if (vite === null) {
    console.error('build: Vite is not installed here, so the page is not built (npm ci without --omit=dev installs it)')
    return 1
  }
  try {
    await vite.build({
      configFile: false,
      root: sources,
      base: './',
      logLevel: 'warn',
      // The policy forbids scripts and styles within the page, so nothing may be inlined.
      build: {
        outDir: output,
        emptyOutDir: true,
        target: 'es2022',
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
        // A slow machine is no fault of the bundle's, and nobody who installs it can do something about it.
        rolldownOptions: { checks: { bundlerTimings: false } },
        license: { fileName: 'licences.md' },
      },
    })
  } catch (error) {
    console.error(`build: the page: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
  writeFileSync(stamp, wanted)
  return 0
}

function digestOfSources(): string {
  const hash = createHash('sha256')
  const paths = filesBelow('src/dashboard', (name) => !name.endsWith('.test.ts'))
  for (const path of [...paths, ...settings]) {
    if (existsSync(join(root, path)))
      hash
        .update(path)
        .update('\0')
        .update(readFileSync(join(root, path)))
  }
  return hash.digest('hex')
}
