/** One question to the daemon, asked when a view opens and again when `version` changes. */

import { useEffect, useState } from 'preact/hooks'
import { askDaemon } from './daemon-client.ts'

export interface Asked<Answer> {
  readonly answer: Answer | null
  readonly problem: string | null
}

export function useAnswer<Answer>(path: string, version: unknown): Asked<Answer> {
  const [asked, setAsked] = useState<Asked<Answer>>({ answer: null, problem: null })
  useEffect(() => {
    const ending = new AbortController()
    askDaemon<Answer>(path, ending.signal).then(
      (answer) => setAsked({ answer, problem: null }),
      (error: unknown) => {
        // What was known stays: it is old, and the bar says so.
        if (!ending.signal.aborted)
          setAsked((before) => ({ ...before, problem: error instanceof Error ? error.message : String(error) }))
      },
    )
    return () => ending.abort()
  }, [path, version])
  return asked
}
