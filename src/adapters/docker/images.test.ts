import { onDocker } from '../../../test/engine/engine-kind.ts'
import { imagesContract } from './images.contract.ts'

imagesContract(onDocker)
