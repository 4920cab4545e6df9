import { describe, test } from 'node:test'

import { onDocker } from '../../../../test/engine/engine-kind.ts'
import { imagesContract } from './images.contract.ts'

describe('images are brought to docker', { skip: onDocker.skip }, () =>
  imagesContract(onDocker, (title, body) => void test(title, body)),
)
