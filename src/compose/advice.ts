/**
 * The keys of Compose that a config has no word for, each with what to do instead. A key that stands neither here nor among the carried
 * ones is unknown to Compose as we know it, and said to be so.
 */

/** Carried over, or read together with another key, or without meaning for what runs. */
export const carriedKeys: ReadonlySet<string> = new Set([
  'image',
  'build',
  'pull_policy',
  'entrypoint',
  'command',
  'working_dir',
  'user',
  'read_only',
  'cap_add',
  'cap_drop',
  'privileged',
  'network_mode',
  'cpus',
  'mem_limit',
  'pids_limit',
  'ulimits',
  'environment',
  'env_file',
  'secrets',
  'ports',
  'expose',
  'volumes',
  'tmpfs',
  'healthcheck',
  'depends_on',
  'links',
  'restart',
  'stop_signal',
  'stop_grace_period',
  'deploy',
  'scale',
  'logging',
  'profiles',
  'extends',
  'networks',
  'labels',
  'configs',
  'extra_hosts',
  'security_opt',
  'tty',
  'stdin_open',
  'attach',
  'annotations',
])

export const carriedDeployKeys: ReadonlySet<string> = new Set([
  'replicas',
  'mode',
  'resources',
  'restart_policy',
  'update_config',
])

type Advice = readonly [message: string, instead: string]

const tuning: Advice = ['only cpu, memory and pids are limited', 'cpu, memory or pids, if one of them is what is meant']
const kernel: Advice = [
  'a container gets the kernel settings of the machine',
  'set it for the machine (sysctl, /etc/security/limits.d), or run the program as a process',
]
const process: Advice = ['a container has its own', 'run the program as a process of the machine: command without image']
export const device: Advice = ['a container sees no device', 'run the program as a process of the machine: command without image']
const names: Advice = [
  'a container has the DNS of the machine, and the machine itself as host.docker.internal',
  'an address in the environment, or a line in /etc/hosts of the machine',
]

export const serviceAdvice: Readonly<Record<string, Advice>> = {
  container_name: [
    'Daruma names containers itself: the name is what keeps a second one from starting',
    'daruma exec SERVICE -- …; others find it by the name of its service',
  ],
  hostname: [
    'a container calls itself something else at each start, and is found by the name of its service',
    'a variable that tells the program its name, where its data hang on it (RABBITMQ_NODENAME, say)',
  ],
  domainname: names,
  dns: names,
  dns_opt: names,
  dns_search: names,
  external_links: names,
  mac_address: names,
  init: [
    'Docker puts its little init in front of every program, Podman puts none',
    'with Podman an init in the image (tini), if the program does not wait for its children',
  ],
  platform: ['the image must be for this machine', 'an image that is'],
  runtime: ["containers run by the engine's own runtime", "set the engine's default runtime"],
  restart_policy: ['this belongs under deploy', 'restart'],
  volumes_from: ['volumes are named, and shared by their name', 'the same volumes in both services'],
  devices: device,
  device_cgroup_rules: device,
  gpus: device,
  sysctls: kernel,
  shm_size: ["/dev/shm has the engine's 64 MiB", 'a program that needs more can be told another folder'],
  ipc: process,
  pid: process,
  uts: process,
  userns_mode: process,
  cgroup: process,
  cgroup_parent: ['each container has the cgroup of its epoch, which is how it is proven to be gone', 'nothing'],
  isolation: process,
  group_add: ['a container has the groups that its image says', 'RUN addgroup in the Dockerfile'],
  mem_reservation: tuning,
  mem_swappiness: tuning,
  memswap_limit: tuning,
  oom_kill_disable: tuning,
  oom_score_adj: tuning,
  cpu_count: tuning,
  cpu_percent: tuning,
  cpu_shares: tuning,
  cpu_period: tuning,
  cpu_quota: tuning,
  cpu_rt_runtime: tuning,
  cpu_rt_period: tuning,
  cpuset: tuning,
  blkio_config: tuning,
  storage_opt: tuning,
  develop: ['watching sources is for developing', 'daruma up --attach, and a program that reloads itself'],
  credential_spec: ['Windows only', 'nothing'],
  provider: ['a service is a command or an image', 'start what the provider gives by other means'],
  models: ['a service is a command or an image', 'a service of its own for the model'],
  post_start: ['nothing runs beside the program', 'a job that comes after the service'],
  pre_stop: ['nothing runs beside the program', 'let the program do it when it gets its stop signal'],
  use_api_socket: ["no container gets the engine's socket", 'run the program as a process of the machine'],
  label_file: ['labels have no meaning for Daruma', 'nothing'],
}

export const deployAdvice: Readonly<Record<string, Advice>> = {
  placement: ['there is one machine', 'nothing'],
  endpoint_mode: ['the balancer spreads requests', 'nothing'],
  labels: ['labels have no meaning for Daruma', 'nothing'],
  rollback_config: ['a rollback goes the same way as a change', 'update'],
}

export const topAdvice: Readonly<Record<string, Advice>> = {
  models: ['a config has services', 'a service of its own'],
}
