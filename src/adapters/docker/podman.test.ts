/** Podman speaks Docker's language with an accent of its own. Each run asks where they have differed; DARUMA_TEST_ALL=1 asks everything. */

import { type EngineKind, onPodman } from '../../../test/engine/engine-kind.ts'
import { imagesContract } from './images.contract.ts'
import { lifeContract } from './life.contract.ts'
import { networkContract } from './network.contract.ts'

const accents = [
  'under its slot and epoch',
  'nothing to decide',
  "the slot's own number",
  'behind a shell that waits',
  'removes or pauses by hand',
  "foreign container with the slot's name",
  'an older epoch left',
  'engine refuses to start',
  'dies at "(?:created|started|removed)"',
  // Not that the name is answered: Debian 12's aardvark-dns sometimes loses one on a busy machine.
  'the engine is told the name',
  'host.docker.internal',
  "somebody else's container is in",
  'a private registry by token',
  'from a folder',
]

const kind: EngineKind =
  process.env['DARUMA_TEST_ALL'] === undefined ? { ...onPodman, only: new RegExp(accents.join('|')) } : onPodman

lifeContract(kind)
networkContract(kind)
imagesContract(kind)
