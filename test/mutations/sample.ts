/** Some of the mutations, by a seed: over many runs each has its turn, and a run that found something can be had again. */

import { pick, seededRandom } from '../seeded-random.ts'
import type { Mutation } from './mutation.ts'

/** In the order of the table, so that those of one test file stay together. */
export function takeSample(
  mutations: readonly Mutation[],
  { count, seed }: { readonly count: number; readonly seed: string },
): readonly Mutation[] {
  const random = seededRandom(seed)
  const taken = new Set<Mutation>()
  while (taken.size < Math.min(count, mutations.length))
    taken.add(
      pick(
        random,
        mutations.filter((each) => !taken.has(each)),
      ),
    )
  return mutations.filter((mutation) => taken.has(mutation))
}
