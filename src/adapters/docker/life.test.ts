import { onDocker } from '../../../test/engine/engine-kind.ts'
import { lifeContract } from './life.contract.ts'

lifeContract(onDocker)
