import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { testBalancerContract } from '../../../test/contracts/balancer.contract.ts'
import { createHaproxyBalancer } from './index.ts'

const haproxy = '/usr/sbin/haproxy'

if (existsSync(haproxy)) testBalancerContract('HAProxy', (stateDirectory) => createHaproxyBalancer({ stateDirectory, haproxy }))
else describe('HAProxy', () => it('is not installed', { skip: 'apt-get install haproxy' }, () => undefined))
