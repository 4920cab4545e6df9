import { describe, test } from 'node:test'

import { onDocker } from '../../../test/engine/engine-kind.ts'
import { lifeContract } from './life.contract.ts'

describe('containers on docker', { skip: onDocker.skip }, () => lifeContract(onDocker, (title, body) => void test(title, body)))
