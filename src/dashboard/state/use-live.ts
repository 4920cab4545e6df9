/** The page's knowledge for the parts that draw it. */

import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { Context } from 'preact'
import type { Live, Snapshot } from './live.ts'

export const LiveContext: Context<Live | null> = createContext<Live | null>(null)

export function useLiveSource(): Live {
  const live = useContext(LiveContext)
  if (live === null) throw new Error('there is no provider of the live state')
  return live
}

/** Whether what is shown is of several projects, whose services then stand behind their project's name. */
export function useIsOfSeveral(): boolean {
  const { project, projects } = useLive()
  return project === null && projects.length > 1
}

/** What is looked at, in words; null where nothing was ever applied. */
export function useSubject(): string | null {
  const { overview } = useLive()
  const isOfSeveral = useIsOfSeveral()
  return isOfSeveral ? 'all projects' : (overview?.project ?? null)
}

/** Draws again whenever something has changed. */
export function useLive(): Snapshot {
  const live = useLiveSource()
  const [snapshot, setSnapshot] = useState(live.snapshot)
  useEffect(() => {
    // Something may have come between the first drawing and this moment.
    setSnapshot(live.snapshot)
    return live.subscribe(() => setSnapshot(live.snapshot))
  }, [live])
  return snapshot
}
