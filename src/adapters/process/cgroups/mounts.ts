/**
 * Where cgroups are mounted. On a hybrid host the unified (v2) hierarchy has no controllers and the v1 ones stand beside it; on a
 * pure host /sys/fs/cgroup is v2 and has them all. Nothing here assumes a path: /proc/self/mountinfo says (proc(5)).
 */

export interface CgroupMounts {
  /** The v2 hierarchy, or null. */
  readonly unified: string | null
  /** v1 controllers by name: `memory`, `cpu`, `pids`, `freezer`. */
  readonly controllers: ReadonlyMap<string, string>
}

export function parseCgroupMounts(mountinfo: string): CgroupMounts {
  let unified: string | null = null
  const controllers = new Map<string, string>()
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ')
    const mountPoint = before?.split(' ')[4]
    const [type, , options] = after?.split(' ') ?? []
    if (mountPoint === undefined || type === undefined) continue
    const path = unescapeOctal(mountPoint)
    if (type === 'cgroup2') unified ??= path
    if (type === 'cgroup') for (const name of (options ?? '').split(',')) if (!controllers.has(name)) controllers.set(name, path)
  }
  return { unified, controllers }
}

/**
 * Of the v1 hierarchies in which a process is not at the root, by its /proc/PID/cgroup (`6:cpu,cpuacct:/user.slice`; cgroups(7)): the file by
 * which another joins the root. In a cgroup v2 every instance has its own.
 */
export function findForeignCgroups({ controllers }: CgroupMounts, cgroupsOfProcess: string): readonly string[] {
  const below = cgroupsOfProcess.split('\n').flatMap((line) => {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    return path === undefined || path === '/' ? [] : names.split(',')
  })
  const mounts = below.flatMap((name) => controllers.get(name) ?? [])
  return [...new Set(mounts)].map((mount) => `${mount}/cgroup.procs`)
}

/** The kernel writes space, tab, newline and backslash in a path as three octal digits. */
function unescapeOctal(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_whole, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
