/**
 * Gives the tests the programs that they inflict themselves on: a real PostgreSQL and the parts of util-linux. It only ever adds
 * Debian packages, only as root, and never fails: what cannot be had makes the tests that need it skip, and they say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

interface Need {
  readonly debianPackage: string
  readonly isThere: () => boolean
  readonly purpose: string
}

const needs: readonly Need[] = [
  {
    debianPackage: 'postgresql',
    isThere: () => globSync('/usr/lib/postgresql/*/bin/postgres').length > 0 || onPath('postgres'),
    purpose: 'the tests of a singleton with a volume',
  },
  {
    debianPackage: 'util-linux',
    isThere: () => ['flock', 'unshare', 'nsenter', 'setsid'].every(onPath),
    purpose: 'the tests of slot locks and process namespaces',
  },
  {
    debianPackage: 'haproxy',
    isThere: () => existsSync('/usr/sbin/haproxy') || onPath('haproxy'),
    purpose: 'the tests of the balancer through HAProxy',
  },
  {
    debianPackage: 'chromium',
    isThere: () => existsSync('/usr/bin/chromium'),
    purpose: 'the tests of the page in a browser',
  },
  {
    debianPackage: 'docker.io',
    isThere: () => existsSync('/usr/sbin/dockerd') || onPath('dockerd'),
    purpose: 'the tests of containers',
  },
  { debianPackage: 'podman', isThere: () => onPath('podman'), purpose: 'the tests of containers on Podman' },
  ...['netavark', 'aardvark-dns'].map((debianPackage) => ({
    debianPackage,
    isThere: () => globSync(`/usr/{lib,libexec}/podman/${debianPackage}`).length > 0,
    purpose: 'the network of containers on Podman',
  })),
  { debianPackage: 'busybox-static', isThere: () => existsSync('/bin/busybox'), purpose: 'the image of the tests of containers' },
  { debianPackage: 'iproute2', isThere: () => onPath('ip'), purpose: 'the network of the engine under test' },
  { debianPackage: 'mount', isThere: () => onPath('mount'), purpose: 'the tests of a full disk' },
]

export function prepareTests(): void {
  const missing = needs.filter((need) => !need.isThere())
  if (missing.length === 0) return
  if (canInstall()) install(missing.map((need) => need.debianPackage))
  for (const need of missing)
    if (!need.isThere()) console.log(`prepare-tests: ${need.debianPackage} is not here, so ${need.purpose} will be skipped`)
}

function canInstall(): boolean {
  if (process.getuid?.() !== 0) console.log('prepare-tests: not root, so nothing can be installed')
  else if (!onPath('apt-get')) console.log('prepare-tests: no apt-get, so nothing can be installed')
  else return true
  return false
}

function install(packages: readonly string[]): void {
  console.log(`prepare-tests: installing the Debian packages ${packages.join(', ')}`)
  if (packages.includes('postgresql')) forbidDefaultCluster()
  const install = ['install', '-y', '-q', '--no-install-recommends', ...packages]
  const isInstalled = aptGet(install) || (aptGet(['update', '-q']) && aptGet(install))
  if (!isInstalled) console.log('prepare-tests: apt-get could not install them')
}

/** Debian's package would start a server of its own on port 5432; we want the programs only. */
function forbidDefaultCluster(): void {
  const folder = '/etc/postgresql-common/createcluster.d'
  if (existsSync('/etc/postgresql-common')) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'daruma-tests.conf'),
    '# Written by the tests of daruma: they bring their own data directories.\ncreate_main_cluster = false\n',
  )
}

/**
 * Without a time limit: a package manager that is killed leaves dpkg half-configured, and the next one finds nothing installed. It waits
 * for anything that holds dpkg's lock (apt.conf(5)); a mirror that hangs is apt's own to give up.
 */
function aptGet(options: readonly string[]): boolean {
  const result = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=-1', ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  return result.status === 0
}

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}
