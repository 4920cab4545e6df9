/** A Procfile (Heroku, Foreman): `name: command` a line. `release` runs before the others, once, and ends. */

import type { FoundService } from '../../proposal/found.ts'

export function readProcfile(text: string): readonly FoundService[] {
  const services: FoundService[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^([A-Za-z0-9_-]+):\s*(\S.*)$/.exec(line)
    if (match === null) continue
    const [, name, command] = match as unknown as [string, string, string]
    services.push({ name, source: 'Procfile', written: { command, ...kindOf(name) }, notes: [], remarks: {} })
  }
  const release = services.find(({ name }) => name === 'release')
  if (release === undefined) return services
  return services.map((service) =>
    service === release ? service : { ...service, written: { ...service.written, after: [release.name] } },
  )
}

/** By what such processes are usually called; a person looks through it anyway. */
export function kindOf(name: string): Readonly<Record<string, true>> {
  if (/^(?:release|(?:db[:_-]?)?migrat(?:e|ions?)|seed|setup)$/i.test(name)) return { job: true }
  return /^(?:clock|cron|scheduler|beat|leader)$/i.test(name) ? { singleton: true } : {}
}
