/** HAProxy's answers as values (management.txt, 9). Columns are found by their names, so that a newer version may have more of them. */

export interface Worker {
  /** In HAProxy's own PID namespace, which need not be ours. */
  readonly pid: number
  /** How many reloads it has lived through; the newest has the fewest. */
  readonly reloads: number
}

/** Of `show proc`: the newest first. */
export function parseProcesses(text: string): readonly Worker[] {
  const workers = text.split('\n').flatMap((line): Worker[] => {
    const [pid, kind, reloads] = line.split(/\s+/)
    return kind === 'worker' ? [{ pid: Number(pid), reloads: Number(reloads) }] : []
  })
  return workers.toSorted((a, b) => a.reloads - b.reloads || b.pid - a.pid)
}

export interface ServerState {
  readonly backend: string
  readonly name: string
  readonly isMaintained: boolean
  readonly isDrained: boolean
}

const [forcedMaintenance, forcedDrain] = [0x01, 0x08]

/** Of `show servers state`. */
export function parseServers(text: string): readonly ServerState[] {
  const lines = text.split('\n')
  const head = lines.find((line) => line.startsWith('# be_id')) ?? ''
  const columns = head.slice(2).split(' ')
  const [backend, name, admin] = ['be_name', 'srv_name', 'srv_admin_state'].map((column) => columns.indexOf(column))
  if (backend === undefined || name === undefined || admin === undefined) return []
  return lines.slice(lines.indexOf(head) + 1).flatMap((line): ServerState[] => {
    const fields = line.split(' ')
    const state = Number(fields[admin])
    if (fields.length < columns.length - 1) return []
    return [
      {
        backend: fields[backend] ?? '',
        name: fields[name] ?? '',
        isMaintained: (state & forcedMaintenance) !== 0,
        isDrained: (state & forcedDrain) !== 0,
      },
    ]
  })
}

/** Of `show map FILE`; null where there is no such map. */
export function parseMap(text: string): readonly { readonly key: string; readonly value: string }[] | null {
  if (text.includes('Unknown map identifier')) return null
  return text.split('\n').flatMap((line) => {
    const found = /^0x[0-9a-f]+ (\S+) (.*)$/.exec(line)
    return found === null ? [] : [{ key: found[1] ?? '', value: found[2] ?? '' }]
  })
}

/** Of `show ssl crt-list FILE`: the certificates' files; null where no listener has the list. */
export function parseCrtList(text: string): readonly string[] | null {
  if (/didn't find/.test(text)) return null
  return text
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((file) => file !== '' && !file.startsWith('#'))
}

/** Of `show env NAME`. */
export const parseVariable = (text: string): string | null => /^[A-Z_]+=(.*)$/m.exec(text)?.[1] ?? null

/** Of `show backend`. */
export const parseBackends = (text: string): ReadonlySet<string> =>
  new Set(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')))

export interface StatRow {
  readonly proxy: string
  /** `FRONTEND`, `BACKEND` or a server's name. */
  readonly server: string
  /** 0 where there is none. */
  number(column: string): number
  text(column: string): string
}

/** Of `show stat`: no field that we read has a comma or a quote in it. */
export function parseStatistics(text: string): readonly StatRow[] {
  const lines = text.split('\n')
  const head = lines.findIndex((line) => line.startsWith('# pxname'))
  const columns = new Map(
    (lines[head] ?? '')
      .slice(2)
      .split(',')
      .map((name, index) => [name, index]),
  )
  return lines.slice(head + 1).flatMap((line): StatRow[] => {
    if (line === '' || line.startsWith('#')) return []
    const fields = line.split(',')
    const field = (column: string): string => fields[columns.get(column) ?? -1] ?? ''
    return [{ proxy: fields[0] ?? '', server: fields[1] ?? '', number: (column) => Number(field(column)), text: field }]
  })
}
