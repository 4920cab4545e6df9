/**
 * While a config is evaluated, `import 'daruma'` finds the sdk of the Daruma that is running (also a global one, with no
 * `node_modules` near), and the user's own `.ts` and `.js` files are ES modules whatever the `package.json` above them says.
 * The hooks also remember what was loaded and which import failed, which Node's errors do not tell.
 */

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

export interface FailedImport {
  readonly specifier: string
  /** URL of the importing module. */
  readonly from: string
}

export interface EvaluationTrace extends Disposable {
  /** Files of the user in the order in which they were loaded. */
  readonly loaded: readonly string[]
  failedImport(error: unknown): FailedImport | null
}

/** `.ts` when Daruma runs from its sources, `.js` when it was built. */
export const sdkUrl: string = new URL(`../../sdk/index${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href

export function hookModules(configUrl: string): EvaluationTrace {
  const loaded: string[] = []
  const failures = new WeakMap<object, FailedImport>()
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === 'daruma') return { url: sdkUrl, shortCircuit: true }
      // Node would read the package.json above the config, whose answer is not wanted and which may be broken.
      if (specifier === configUrl) return { url: configUrl, shortCircuit: true }
      try {
        return nextResolve(specifier, context)
      } catch (error) {
        if (typeof error === 'object' && error !== null && context.parentURL !== undefined) {
          failures.set(error, { specifier, from: context.parentURL })
        }
        throw error
      }
    },
    load(url, context, nextLoad) {
      if (!url.startsWith('file:') || url === sdkUrl || url.includes('/node_modules/')) return nextLoad(url, context)
      const file = fileURLToPath(url)
      loaded.push(file)
      const format = formatOf(file, url === configUrl, context.format)
      return format === null ? nextLoad(url, context) : nextLoad(url, { ...context, format })
    },
  })
  return {
    loaded,
    failedImport: (error) => (typeof error === 'object' && error !== null ? (failures.get(error) ?? null) : null),
    [Symbol.dispose]: () => hooks.deregister(),
  }
}

/** Null where Node's own answer is right. Said aloud for a `.js` without a `type`, so that Node has nothing to warn about. */
function formatOf(file: string, isConfig: boolean, format: string | null | undefined): string | null {
  if (file.endsWith('.ts')) return isPlain(readFileSync(file, 'utf8')) ? 'module' : 'module-typescript'
  if (!file.endsWith('.js')) return null
  if (isConfig) return 'module'
  return (format === null || format === undefined) && /^\s*(?:import|export)\b/m.test(readFileSync(file, 'utf8'))
    ? 'module'
    : null
}

/**
 * Whether TypeScript is JavaScript as it stands, as most configs are: Node's stripping begins with some 150 ms of WebAssembly, for each file
 * that is new or was changed. What parses as JavaScript means the same as TypeScript, but for a call with type arguments: `f<T>(x)` compares twice.
 */
function isPlain(source: string): boolean {
  // Without the flag of the config's thread (`guarded.ts`) nothing is known.
  const { SourceTextModule } = vm as Partial<typeof vm>
  if (source.includes('<') || SourceTextModule === undefined) return false
  try {
    return new SourceTextModule(source) instanceof SourceTextModule
  } catch {
    return false
  }
}
