/** Podman speaks Docker's language with an accent of its own. Each run asks where they have differed; DARUMA_TEST_ALL=1 asks everything. */

import { describe, test } from 'node:test'

import { onPodman, type Testing } from '../../../test/engine/engine-kind.ts'
import { isThorough } from '../../../test/thorough.ts'
import { imagesContract } from './images/images.contract.ts'
import { lifeContract } from './life.contract.ts'
import { networkContract } from './network.contract.ts'

const accents = [
  'under its slot and epoch',
  'nothing to decide',
  "the slot's own number",
  'behind a shell that waits',
  'again and again in a hurry',
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

const isWanted = (title: string): boolean => isThorough || accents.some((accent) => new RegExp(accent).test(title))

const testing: Testing = (title, body) => {
  if (isWanted(title)) void test(title, body)
}

describe('containers on podman', { skip: onPodman.skip }, () => lifeContract(onPodman, testing))
describe('containers find each other on podman', { skip: onPodman.skip }, () => networkContract(onPodman, testing))
describe('images are brought to podman', { skip: onPodman.skip }, () => imagesContract(onPodman, testing))
