/**
 * One source file as the rules see it. Imports are read by a real parser, never by pattern: `import()`, `export … from` and types
 * written as `import('…')` all count.
 */
import { posix } from 'node:path'
import { Visitor, parseSync } from 'oxc-parser'

export interface Import {
  readonly specifier: string
  readonly isTypeOnly: boolean
  /** `import()`: loaded when it is reached. */
  readonly isLazy: boolean
}

export interface Source {
  /** Relative to the root, with `/`. */
  readonly path: string
  readonly imports: readonly Import[]
  readonly hasDefaultExport: boolean
  readonly hasHeader: boolean
  readonly lines: number
  /** What the parser could not read. */
  readonly errors: readonly string[]
}

export function readSource(path: string, text: string): Source {
  const { module, program, errors } = parseSync(path, text)
  const imports: Import[] = module.staticImports.map((statement) => ({
    specifier: statement.moduleRequest.value,
    isTypeOnly: statement.entries.length > 0 && statement.entries.every((entry) => entry.isType),
    isLazy: false,
  }))
  for (const statement of module.staticExports)
    for (const entry of statement.entries)
      if (entry.moduleRequest) imports.push({ specifier: entry.moduleRequest.value, isTypeOnly: entry.isType, isLazy: false })
  new Visitor({
    ImportExpression: (node) => {
      imports.push({ specifier: literal(node.source), isTypeOnly: false, isLazy: true })
    },
    TSImportType: (node) => {
      imports.push({ specifier: literal(node.source), isTypeOnly: true, isLazy: false })
    },
  }).visit(program)
  return {
    path,
    imports,
    hasDefaultExport: module.staticExports.some((statement) =>
      statement.entries.some((entry) => entry.exportName.kind === 'Default'),
    ),
    hasHeader: /^(?:#!.*\n)?\/\*\*/.test(text),
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    errors: errors.map((error) => error.message),
  }
}

/** The path that a relative import names, or null for a package. */
export function resolveImport(from: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : null
}

/** A computed import cannot be judged from here; it reads as a package called `(computed)`, which only the loader may use. */
function literal(node: { readonly type: string; readonly value?: unknown }): string {
  return node.type === 'Literal' && typeof node.value === 'string' ? node.value : '(computed)'
}
