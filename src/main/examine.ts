/** What `doctor` asks of a running daemon: the guarantees it works under, each as one finding. */

import { balancerKindOf, balancerSlot } from '../core/balance/balancer-service.ts'
import type { BalancerKind } from '../ports/traffic/balancers.ts'
import { balancerFinding } from './balancers.ts'
import { autoPorts } from '../agent/port-allotment.ts'
import type { BalancerSettings } from '../core/model/service.ts'
import type { Daemon } from '../daemon/daemon.ts'
import type { Images } from '../ports/runtime/images.ts'
import type { Runtime } from '../ports/runtime/runtime.ts'
import type { StateDirectory } from '../ports/storage/state-directory.ts'
import type { DoctorAnswer, Finding } from '../protocol/api.ts'

export async function examineDaemon(parts: {
  readonly directory: StateDirectory
  readonly runtime: Runtime
  readonly daemon: Daemon
  readonly images: Images
}): Promise<DoctorAnswer> {
  return {
    findings: [
      daemonFinding(parts.daemon),
      lockFinding(parts.directory),
      ...runtimeFindings(parts.runtime),
      await diskFinding(parts.directory),
      portFinding(parts.daemon),
      await engineFinding(parts.images, usesImages(parts.daemon)),
      balancerFinding(askedBalancer(parts.daemon), runningBalancer(parts.daemon)),
      ...parts.daemon.traffic.certificateWarnings.map(certificateFinding),
    ],
  }
}

function daemonFinding(daemon: Daemon): Finding {
  const facts = daemon.describe()
  const memory = `${Math.round(facts.memoryBytes / 2 ** 20)} MiB`
  return facts.condition === null
    ? { name: 'daemon', state: 'good', message: `pid ${facts.pid}, ${memory}`, hint: null }
    : { name: 'daemon', state: 'bad', message: facts.condition, hint: 'It recovers automatically once the cause is gone.' }
}

function lockFinding({ path, stateId }: StateDirectory): Finding {
  const message = `${path} and its state id ${stateId} are locked by the kernel for this daemon alone`
  return { name: 'state', state: 'good', message, hint: null }
}

/** Shared with the look that `doctor` takes without a daemon. */
export function runtimeFindings(runtime: Pick<Runtime, 'guarantees'>): readonly Finding[] {
  const { killing, namespaces, limits, strict, weaker } = runtime.guarantees()
  const missing = (['cpu', 'memory', 'pids'] as const).filter((limit) => !limits.includes(limit))
  return [
    {
      name: 'never twice',
      state: strict.possible ? 'good' : 'weak',
      message: strict.possible
        ? `strict services may run here: an instance is ended whole by ${killing}`
        : `no strict services here: ${strict.because ?? killing}`,
      hint: null,
    },
    namespaces
      ? {
          name: 'namespaces',
          state: 'good',
          message: 'each instance has a PID namespace of its own: nothing escapes it',
          hint: null,
        }
      : {
          name: 'namespaces',
          state: 'weak',
          message: 'no PID namespaces: a child that leaves its process group may outlive its parent',
          hint: 'They need root.',
        },
    missing.length === 0
      ? { name: 'limits', state: 'good', message: 'cpu, memory and pids can be limited', hint: null }
      : { name: 'limits', state: 'weak', message: `cannot be limited here: ${missing.join(', ')}`, hint: null },
    ...weaker.map((message): Finding => ({ name: 'weaker', state: 'weak', message, hint: null })),
  ]
}

/** Below this the database and the slots' files may soon not be written. */
const lowDiskBytes = 64 * 2 ** 20

async function diskFinding(directory: StateDirectory): Promise<Finding> {
  const { freeBytes } = await directory.space()
  const free = `${Math.round(freeBytes / 2 ** 20)} MiB free`
  return freeBytes >= lowDiskBytes
    ? { name: 'disk', state: 'good', message: `${free} for ${directory.path}`, hint: null }
    : {
        name: 'disk',
        state: 'bad',
        message: `only ${free} for ${directory.path}`,
        hint: 'On a full disk, running instances keep running, but nothing new is started.',
      }
}

function portFinding(daemon: Daemon): Finding {
  const all = [daemon.machine, ...daemon.projects.list()].flatMap((project) => project.status(false).instances)
  const blocked = all.find(({ state, reason }) => state === 'blocked' && reason?.includes('port') === true)
  return blocked === undefined
    ? { name: 'ports', state: 'good', message: `automatic ports come from ${autoPorts.first} to ${autoPorts.last}`, hint: null }
    : {
        name: 'ports',
        state: 'bad',
        message: `${blocked.slot}: ${blocked.reason ?? 'blocked'}`,
        hint: 'End what holds the port, or give the service another one.',
      }
}

/** Null where there are no routes. */
function askedBalancer({ projects }: Daemon): BalancerSettings['program'] | null {
  const configs = projects.list().flatMap(({ world }) => world.project ?? [])
  const routed = configs.filter(({ services }) => services.some(({ routes }) => routes.length > 0))
  const programs = routed.map(({ balancer }) => balancer.program)
  return programs.find((program) => program !== 'auto') ?? programs[0] ?? null
}

function runningBalancer({ machine: { world } }: Daemon): BalancerKind | null {
  const occupant = world.reports.get(balancerSlot)?.occupant ?? null
  return occupant?.phase === 'live' && occupant.spec !== null ? balancerKindOf(occupant.spec.service) : null
}

const certificateFinding = (message: string): Finding => ({
  name: 'certificate',
  state: 'weak',
  message,
  hint: "Put the next one in its place: it is taken up within a minute. Or write tls: 'auto', and it is fetched.",
})

const usesImages = ({ projects }: Daemon): boolean => projects.list().some(({ place }) => projects.wantsContainers(place))

/** Also without a daemon. A machine without an engine lacks something only where an image is to run. */
export async function engineFinding(images: Pick<Images, 'examine' | 'findFault'>, isNeeded: boolean): Promise<Finding> {
  const facts = await images.examine()
  if (facts !== null) {
    const { version, socket, storage, cgroups, liveRestore, network } = facts
    const restart =
      liveRestore === null
        ? 'containers outlive its service'
        : liveRestore
          ? 'containers outlive its restart (live-restore)'
          : 'its restart ends the containers, which then get up again'
    return {
      name: 'containers',
      state: 'good',
      message: `${facts.name} ${version} at ${socket}: storage ${storage}, cgroups by ${cgroups}; ${restart}`,
      hint:
        liveRestore === false
          ? 'With "live-restore": true in /etc/docker/daemon.json they run on.'
          : network === 'cni'
            ? 'Its networks (cni) mostly answer no names, so that containers do not find each other: apt install netavark aardvark-dns, and network_backend = "netavark" in /etc/containers/containers.conf.'
            : null,
    }
  }
  const fault = (await images.findFault()) ?? 'none answers'
  return {
    name: 'containers',
    state: isNeeded ? 'bad' : 'good',
    message: isNeeded ? `no container engine: ${fault}` : `none is needed so far; an image could not run here (${fault})`,
    hint: 'apt install docker.io, or podman with its socket.',
  }
}
