/** Limits that a daemon without the right to raise its own cannot give, and more open files than the kernel has for anybody. */

import { entriesOf, type Ulimits } from '../../core/values/ulimits.ts'
import { hardLimitIn, type RlimitRights } from '../../system/rlimits.ts'

/** One sentence for each. */
export function explainUlimits(wanted: Ulimits, rights: RlimitRights): readonly string[] {
  return entriesOf(wanted).flatMap(([name, { hard }]) => {
    const most = hard === -1 ? Infinity : hard
    const { mostOpenFiles } = rights
    if (name === 'nofile' && mostOpenFiles !== null && most > mostOpenFiles)
      return [`the limit nofile cannot be ${show(most)}: the kernel allows ${mostOpenFiles} (sysctl fs.nr_open)`]
    const own = rights.mayRaise ? null : hardLimitIn(rights.limits, name)
    if (own === null || most <= own) return []
    return [
      `the limit ${name} cannot be ${show(most)}: the daemon's own is ${show(own)}, and only root (CAP_SYS_RESOURCE) raises it`,
    ]
  })
}

const show = (value: number): string => (value === Infinity ? 'unlimited' : `${value}`)
