/** The events of the projects that are shown, and the machine's own, in the order in which they were emitted. */

import type { RecordedEvent } from '../../core/model/event.ts'
import type { Answer, Call } from '../../ports/api.ts'
import { readNumber, until } from './call.ts'
import type { Daemon } from '../daemon.ts'
import { shownBy, shownEvent } from './shown.ts'

const maxEventsAtOnce = 5000

export function followEvents(daemon: Daemon, call: Call): Answer {
  const since = readNumber(call, 'since', 0)
  const limit = Math.min(readNumber(call, 'limit', 100), maxEventsAtOnce)
  const shown = shownBy(daemon, call)
  const logs = [daemon.machine, ...shown.projects].map((project) => ({
    log: project.events,
    show: (event: RecordedEvent) => (project === daemon.machine ? event : shownEvent(shown, project, event)),
  }))
  return {
    kind: 'lines',
    async run(send, signal) {
      const { over, done } = until(signal)
      let last = since
      const take = (event: RecordedEvent): void => {
        if (event.number <= last) return
        last = event.number
        if (!send(event)) done()
      }
      const waiting: RecordedEvent[] = []
      let forward = (event: RecordedEvent): void => void waiting.push(event)
      const unfollow = logs.map(({ log, show }) => log.follow((event) => forward(show(event))))
      try {
        const parts = await Promise.all(logs.map(async ({ log, show }) => (await log.read(since, limit)).map(show)))
        const past = parts.flat().toSorted((a, b) => a.number - b.number)
        for (const event of limit === 0 ? [] : past.slice(-limit)) take(event)
        for (const event of waiting) take(event)
        forward = take
        if (call.query.get('follow') === '1') await over
      } finally {
        for (const end of unfollow) end()
      }
    },
  }
}
