/** The releases of a machine whose projects have no source: nothing is here, and nobody may ask for more. */

import type { Releases } from '../ports/runtime/releases.ts'

const never = (): Promise<never> => Promise.reject(new Error('there are no releases in the simulation'))

export const noReleases: Releases = {
  unknown: async (digests) => digests,
  begin: never,
  receive: never,
  seal: never,
  manifest: async () => null,
  content: async () => null,
  find: async () => null,
  makeTree: never,
  prepareBuild: never,
  sealBuild: never,
  dropBuild: never,
  collect: async () => ({ trees: 0, contents: 0 }),
  close: async () => {},
}
