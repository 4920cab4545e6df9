/** Changes that nobody notices, behind HAProxy. */

import { testTraffic } from './contracts/traffic.contract.ts'

testTraffic('haproxy')
