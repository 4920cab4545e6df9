import { testBalancerContract } from '../../../test/contracts/balancer.contract.ts'
import { createEmbeddedBalancer } from './index.ts'

testBalancerContract('The embedded balancer', (stateDirectory) =>
  createEmbeddedBalancer({ stateDirectory, node: process.execPath }),
)
