/** The project that the lab's hosts run, and what the tests ask of its daemon. */

import assert from 'node:assert/strict'
import type { RecordedEvent } from '../../src/core/model/event.ts'
import type { DoctorAnswer, StatusAnswer, VersionAnswer } from '../../src/protocol/api.ts'
import { until } from '../processes.ts'
import { type Copy, livingCopies } from './copies.ts'
import type { LabHost } from './host.ts'

export const configFile = '/srv/shop/daruma.config.ts'
/** The one or the other becomes {@link configFile}, as the host allows. */
export const limitedFile = '/srv/configs/limited.ts'
export const unlimitedFile = '/srv/configs/unlimited.ts'
/** One line for each run of the job. */
export const jobRecord = '/srv/shop/ran'
/** One line for each end of the database that it was asked for. */
export const gentleRecord = '/var/lib/daruma/projects/shop/volumes/data/ended'
export const unit = 'daruma.service'
export const memoryLimitBytes: number = 64 * 2 ** 20

/** What is always running when all is well; the job is not. */
const runningSlots: readonly string[] = ['cache/0', 'database/0', 'web/0', 'web/1']

export function shopConfig(options: { readonly limitsMemory: boolean }): string {
  const limit = options.limitsMemory ? `memory: '${memoryLimitBytes / 2 ** 20}MiB',` : ''
  return `import { define } from 'daruma'

export default define({
  name: 'shop',
  services: {
    web: { command: ['sleep', 'infinity'], replicas: 2, after: ['migrate'] },
    cache: { command: ['sleep', 'infinity'], singleton: true, update: { deadline: '3s' }, ${limit} },
    database: {
      command: \`trap 'echo gently >>"$DARUMA_VOLUME_DATA/ended"; exit 0' TERM; sleep infinity & while :; do wait; done\`,
      singleton: true,
      volumes: ['data'],
    },
    migrate: { command: 'echo ran >>${jobRecord}', job: true },
  },
})
`
}

/** `daruma WORDS`, which must succeed; resolves to what it printed. */
export async function daruma(host: LabHost, ...words: readonly string[]): Promise<string> {
  return must(host, 'daruma', ...words, '--file', configFile)
}

export async function must(host: LabHost, ...words: readonly string[]): Promise<string> {
  const { code, output, error } = await host.run(words)
  assert.equal(code, 0, `${words.join(' ')}: ${code}\n${output}${error}`)
  return output
}

/** 2 and 3 are answers too: something is in trouble, or not ready yet. */
export async function askStatus(host: LabHost): Promise<StatusAnswer> {
  const { code, output, error } = await host.run(['daruma', 'status', '--json', '--file', configFile])
  assert.ok(code === 0 || code === 2 || code === 3, `status: ${code}\n${output}${error}`)
  return JSON.parse(output) as StatusAnswer
}

export const askVersion = async (host: LabHost): Promise<VersionAnswer> =>
  JSON.parse(await daruma(host, 'daemon', 'status', '--json')) as VersionAnswer

export const askDoctor = async (host: LabHost): Promise<DoctorAnswer> =>
  JSON.parse(await daruma(host, 'doctor', '--json')) as DoctorAnswer

export async function askEvents(host: LabHost): Promise<readonly RecordedEvent[]> {
  const lines = (await daruma(host, 'events', '--json')).split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as RecordedEvent)
}

/** By the witness outside: exactly what should run does. */
export function allRunning(host: LabHost): Promise<readonly Copy[]> {
  return until('everything desired is running', 60_000, () => {
    const copies = livingCopies(host)
    return copies.map(({ slot }) => slot).join() === runningSlots.join() ? copies : null
  })
}
