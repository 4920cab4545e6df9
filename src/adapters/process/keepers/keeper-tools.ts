/** The programs of this host that keepers are made with and use. */

import { wrapKnownState } from './known-state.ts'
import type { Survey } from '../survey.ts'

/** What every keeper of this host is made with. */
export interface KeeperTools {
  readonly keeper: string
  readonly stateDirectory: string
  /** Knows `--fork` (util-linux); null: anything that starts the shell gives it a session. */
  readonly setsid: string | null
  /** Null where the host has no PID namespaces. */
  readonly unshare: string | null
  /** Words in front of everything, where this process has what a shell cannot undo for its children. */
  readonly wrapper: readonly string[]
  readonly flock: string | null
  readonly mount: string | null
}

export function chooseKeeperTools(from: {
  readonly survey: Survey
  readonly stateDirectory: string
  readonly keeper: string
}): KeeperTools {
  const { tools, namespaces } = from.survey
  const { setsid, flock, mount } = tools
  return {
    keeper: from.keeper,
    stateDirectory: from.stateDirectory,
    wrapper: wrapKnownState(tools),
    setsid,
    unshare: namespaces ? tools.unshare : null,
    flock,
    mount,
  }
}
