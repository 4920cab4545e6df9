/** The test files that take longest, and which those are: a run that begins with them does not end with one that runs alone. */

export interface FileTime {
  readonly file: string
  readonly seconds: number
}

/** In the order in which they begin: what `npm test` last named as its slowest. A file that is not here comes after them. */
export const slowest: readonly string[] = [
  'test/faults.test.ts',
  'test/traffic.test.ts',
  'test/traffic-haproxy.test.ts',
  'test/verdaccio.test.ts',
  'test/schedules.test.ts',
  'test/hostile-clients.test.ts',
  'src/adapters/docker/life.test.ts',
  'src/adapters/docker/podman.test.ts',
  'src/adapters/docker/engine-faults.test.ts',
  'test/containers.test.ts',
  'test/releases.test.ts',
  'test/dashboard.test.ts',
  'test/dashboard-projects.test.ts',
  'src/adapters/embedded-balancer/index.test.ts',
  'src/adapters/haproxy/index.test.ts',
  'test/getting-up.test.ts',
  'test/projects.test.ts',
  'test/never-twice.test.ts',
  'test/command-line.test.ts',
  'test/daemon-faults.test.ts',
  'src/adapters/docker/lost-containers.test.ts',
  'src/adapters/docker/network.test.ts',
  'test/dev.test.ts',
  'test/notify.test.ts',
  'test/containers-example.test.ts',
]

export function slowestFirst(files: readonly string[]): readonly string[] {
  return [...slowest.filter((file) => files.includes(file)), ...files.filter((file) => !slowest.includes(file))]
}

const told = 10

/** For the end of a run: seconds and path, a line each. */
export function formatSlowest(times: readonly FileTime[]): string {
  const most = times.toSorted((a, b) => b.seconds - a.seconds).slice(0, told)
  return ['the slowest files:', ...most.map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}`)].join('\n')
}
