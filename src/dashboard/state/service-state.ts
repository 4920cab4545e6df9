/** How a service is, in a few words and a tone: its instances decide, of a schedule its last run. */

import type { InstanceStatus, JobView, OverviewAnswer, ServiceStatus } from '../../protocol/api.ts'
import { toneOfInstance, toneOfRun, type Tone } from './tone.ts'

export interface ServiceState {
  readonly tone: Tone
  readonly text: string
}

export function stateOfService(service: ServiceStatus, instances: readonly InstanceStatus[], job: JobView | null): ServiceState {
  const { kind, ready, desired, stoppedByHand } = service
  if (kind === 'schedule') return stateOfSchedule(service, job)
  const tones = instances.map(toneOfInstance)
  const isBad = tones.includes('bad')
  if (stoppedByHand) return { tone: isBad ? 'bad' : 'quiet', text: 'stopped by hand' }
  if (kind === 'job') {
    const isBusy = tones.includes('busy')
    return { tone: isBad ? 'bad' : isBusy ? 'busy' : ready > 0 ? 'good' : 'quiet', text: ready > 0 ? 'done' : 'not done' }
  }
  const isBusy = ready < desired || tones.includes('busy')
  return { tone: isBad ? 'bad' : isBusy ? 'busy' : desired === 0 ? 'quiet' : 'good', text: `${ready} of ${desired} ready` }
}

function stateOfSchedule({ stoppedByHand }: ServiceStatus, job: JobView | null): ServiceState {
  if (stoppedByHand) return { tone: 'quiet', text: 'stopped by hand' }
  if (job === null) return { tone: 'quiet', text: 'scheduled' }
  if (job.fault !== null) return { tone: 'bad', text: job.fault }
  if (job.running !== null) return { tone: 'busy', text: job.running.state }
  if (job.last === null) return { tone: 'quiet', text: 'not run yet' }
  return { tone: toneOfRun(job.last.state), text: `last ${job.last.state}` }
}

/** Services that somebody should look at. */
export function troubled(overview: OverviewAnswer): readonly string[] {
  const instances = Map.groupBy(overview.instances, ({ service }) => service)
  const jobs = new Map(overview.details.map(({ service, job }) => [service, job]))
  return overview.services
    .filter((service) => {
      const { tone } = stateOfService(service, instances.get(service.service) ?? [], jobs.get(service.service) ?? null)
      return tone === 'bad'
    })
    .map(({ service }) => service)
}
