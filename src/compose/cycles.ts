/** `depends_on` that is circular: each service would wait for the next forever. The first circle is shown, at the line that closes it. */

import type { Ledger } from './tree/ledger.ts'
import { asMapping } from './tree/merge.ts'
import { get, type Mapping, type Place } from './tree/tree.ts'

export function checkCycles(services: ReadonlyMap<string, Mapping>, ledger: Ledger): void {
  const done = new Set<string>()
  const visit = (name: string, trail: readonly string[], at: Place | null): void => {
    const begin = trail.indexOf(name)
    if (begin >= 0) {
      const round = [...trail.slice(begin), name]
      ledger.problem(
        'E_COMPOSE_CYCLE',
        at,
        ['services', trail.at(-1)!, 'depends_on'],
        `${round.join(' → ')}: each waits for the next`,
        { allowed: 'an order that begins somewhere' },
      )
      return
    }
    if (done.has(name)) return
    const dependencies = get(services.get(name), 'depends_on')
    const mapping = dependencies === undefined ? undefined : asMapping(dependencies, 'depends_on')
    if (mapping?.kind === 'mapping') {
      for (const [next, entry] of mapping.entries) if (services.has(next)) visit(next, [...trail, name], entry.at)
    }
    done.add(name)
  }
  for (const name of services.keys()) visit(name, [], null)
}
