/**
 * What every balancer must do, sentence by sentence as `balancer.ts` and `core/balance/table.ts` promise it. Each adapter's test
 * calls this with a way to make one on a state directory; programs, upstreams, clients and what is inflicted on them are real.
 */

import { describe } from 'node:test'
import type { MakeBalancer } from '../support/balancer-bed.ts'
import { changes, failures } from './balancer/changes.contract.ts'
import { forwarding, secure, tunnels } from './balancer/connections.contract.ts'
import { disconnects } from './balancer/disconnects.contract.ts'
import { life, routes } from './balancer/life.contract.ts'
import { strangers } from './balancer/strangers.contract.ts'

export function testBalancerContract(name: string, make: MakeBalancer): void {
  describe(`${name} keeps the balancer's contract:`, () => {
    life(make)
    routes(make)
    changes(make)
    failures(make)
    disconnects(make)
    forwarding(make)
    secure(make)
    tunnels(make)
    strangers(make)
  })
}
