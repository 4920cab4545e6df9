/** Changes that nobody notices, behind the embedded balancer. */

import { testTraffic } from './contracts/traffic.contract.ts'

testTraffic('embedded')
