/**
 * Where the links of a release lead. A link is followed as the kernel would, through other links (path_resolution(7)): `d/../x` is not
 * `x` when `d` is a link to somewhere else, so cutting the text alone would let some lead out.
 */

import type { Manifest } from './manifest.ts'

/** As the kernel (ELOOP). */
const mostHops = 40

/** The links that lead out of the source, or in a circle, each with what it says. What they lead to need not be there. */
export function findBadLinks(manifest: Manifest): readonly { readonly path: string; readonly target: string }[] {
  const links = new Map<string, string>()
  for (const entry of manifest.entries) if (entry.kind === 'link') links.set(entry.path, entry.target)
  return [...links].filter(([path]) => !staysInside(path, links)).map(([path, target]) => ({ path, target }))
}

function staysInside(path: string, links: ReadonlyMap<string, string>): boolean {
  const waiting = path.split('/').toReversed()
  const at: string[] = []
  let hops = 0
  for (let segment = waiting.pop(); segment !== undefined; segment = waiting.pop()) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (at.length === 0) return false
      at.pop()
      continue
    }
    at.push(segment)
    const target = links.get(at.join('/'))
    if (target === undefined) continue
    hops += 1
    if (target.startsWith('/') || hops > mostHops) return false
    at.pop()
    waiting.push(...target.split('/').toReversed())
  }
  return true
}
