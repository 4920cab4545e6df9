/** The events of the projects that are shown, and the machine's own, in the order in which they were emitted. */

import type { RecordedEvent } from '../../core/model/event.ts'
import type { Answer, Call } from '../../ports/api.ts'
import { readNumber, until } from './call.ts'
import type { Daemon } from '../daemon.ts'
import type { Project } from '../project.ts'
import { seenAlso, shownBy, shownEvent } from './shown.ts'

const maxEventsAtOnce = 5000

export function followEvents(daemon: Daemon, call: Call): Answer {
  const since = readNumber(call, 'since', 0)
  const limit = Math.min(readNumber(call, 'limit', 100), maxEventsAtOnce)
  let shown = shownBy(daemon, call)
  const projects = [daemon.machine, ...shown.projects]
  const showFor =
    (project: Project) =>
    (event: RecordedEvent): RecordedEvent =>
      project === daemon.machine ? event : shownEvent(shown, project, event)
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
      const followOne = (project: Project): (() => void) => {
        const show = showFor(project)
        return project.events.follow((event) => forward(show(event)))
      }
      const unfollow = projects.map(followOne)
      // Who looks at all of them looks at those that come, too.
      const unfollowNew = daemon.projects.follow((project) => {
        if (call.query.has('project')) return
        shown = seenAlso(shown, shownBy(daemon, call))
        unfollow.push(followOne(project))
      })
      try {
        const read = async (project: Project): Promise<readonly RecordedEvent[]> =>
          (await project.events.read(since, limit)).map(showFor(project))
        const parts = await Promise.all(projects.map(read))
        const past = parts.flat().toSorted((a, b) => a.number - b.number)
        for (const event of limit === 0 ? [] : past.slice(-limit)) take(event)
        for (const event of waiting) take(event)
        forward = take
        if (call.query.get('follow') === '1') await over
      } finally {
        unfollowNew()
        for (const end of unfollow) end()
      }
    },
  }
}
