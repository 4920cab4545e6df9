/** Every mutation there is. A rule of "never twice on one host" or of "getting up" that has no row here is a rule that nobody guards. */

import { changeMutations } from './changes.ts'
import { containerMutations } from './containers.ts'
import { endingMutations } from './endings.ts'
import { gettingUpMutations } from './getting-up.ts'
import { isolationMutations } from './isolation.ts'
import type { Mutation } from './mutation.ts'
import { neverTwiceMutations } from './never-twice.ts'
import { noticeMutations } from './notices.ts'
import { oneDaemonMutations } from './one-daemon.ts'
import { projectMutations } from './projects.ts'
import { releaseMutations } from './releases.ts'
import { scheduleMutations } from './schedules.ts'
import { strangerMutations } from './strangers.ts'
import { trafficMutations } from './traffic.ts'

export const mutations: readonly Mutation[] = [
  ...oneDaemonMutations,
  ...neverTwiceMutations,
  ...endingMutations,
  ...changeMutations,
  ...gettingUpMutations,
  ...trafficMutations,
  ...containerMutations,
  ...scheduleMutations,
  ...releaseMutations,
  ...strangerMutations,
  ...projectMutations,
  ...noticeMutations,
  ...isolationMutations,
]
