/**
 * Every metric that the daemon exposes: the exposition and `docs/reference/metrics.md` are both made from this table. A name is a promise
 * to somebody's alert: it is not changed, and a metric that has gone is said in the changelog.
 */

import type { MetricFamily } from '../../protocol/open-metrics.ts'

interface Described extends MetricFamily {
  /** The labels of its samples, `project` aside. */
  readonly labels: readonly string[]
}

const ofService = ['service'] as const
const ofInstance = ['service', 'slot'] as const

const one = (
  name: string,
  type: MetricFamily['type'],
  unit: MetricFamily['unit'],
  labels: readonly string[],
  help: string,
): Described => ({ name: `daruma_${name}`, type, unit, labels, help })

export type MetricName =
  | 'build'
  | 'daemonStart'
  | 'daemonMemory'
  | 'daemonOk'
  | 'revision'
  | 'operation'
  | 'operationStart'
  | 'events'
  | 'service'
  | 'desired'
  | 'ready'
  | 'stopped'
  | 'worstGap'
  | 'up'
  | 'state'
  | 'healthy'
  | 'restarts'
  | 'epoch'
  | 'instanceStart'
  | 'cpu'
  | 'memory'
  | 'requests'
  | 'failed'
  | 'retried'
  | 'responses'
  | 'bytesIn'
  | 'bytesOut'
  | 'active'
  | 'queued'
  | 'latencyMean'
  | 'latencyMax'
  | 'runs'
  | 'running'
  | 'queuedRuns'
  | 'nextTick'
  | 'lastSuccess'
  | 'lastGood'

export const families: Readonly<Record<MetricName, Described>> = {
  build: one('build', 'info', '', ['version'], 'The version of the daemon.'),
  daemonStart: one('daemon_start_time_seconds', 'gauge', 'seconds', [], 'When the daemon started, as Unix time.'),
  daemonMemory: one('daemon_memory_bytes', 'gauge', 'bytes', [], 'Resident memory of the daemon.'),
  daemonOk: one('daemon_ok', 'gauge', '', [], '1 when the daemon can do all of its work; 0 when its store is full or lost.'),
  revision: one('revision', 'gauge', '', [], 'The number of the active revision; 0 when there never was one.'),
  operation: one('operation_running', 'gauge', '', [], '1 while an operation (up, rollback, scale, restart) is under way.'),
  operationStart: one(
    'operation_start_time_seconds',
    'gauge',
    'seconds',
    ['kind'],
    'When the operation under way began, as Unix time.',
  ),
  events: one('events', 'counter', '', ['kind'], 'Events since the daemon started, by their kind.'),
  service: one('service', 'info', '', [...ofService, 'kind', 'guarantee'], 'What a service is.'),
  desired: one('service_desired_instances', 'gauge', '', ofService, 'How many instances the service should have.'),
  ready: one('service_ready_instances', 'gauge', '', ofService, 'How many of them are ready.'),
  worstGap: one(
    'service_worst_gap_seconds',
    'gauge',
    'seconds',
    ofService,
    'The longest time without an instance while one was replaced in place, since the daemon started.',
  ),
  stopped: one('service_stopped_by_hand', 'gauge', '', ofService, '1 while the service is stopped by hand.'),
  up: one('instance_up', 'gauge', '', ofInstance, '1 while a process of the slot is running.'),
  state: one(
    'instance_state',
    'stateset',
    '',
    [...ofInstance, 'daruma_instance_state'],
    'The state of the slot, in the words of `daruma status`.',
  ),
  healthy: one('instance_healthy', 'gauge', '', ofInstance, '1 while its probes succeed; only of services that have probes.'),
  restarts: one('instance_restarts', 'counter', '', ofInstance, 'Starts after the first one under the present spec.'),
  epoch: one('instance_epoch', 'gauge', '', ofInstance, 'The epoch of the instance, which only grows.'),
  instanceStart: one('instance_start_time_seconds', 'gauge', 'seconds', ofInstance, 'When the instance began, as Unix time.'),
  cpu: one(
    'instance_cpu_seconds',
    'counter',
    'seconds',
    ofInstance,
    'Time of CPU that the instance has used, its children included.',
  ),
  memory: one(
    'instance_memory_bytes',
    'gauge',
    'bytes',
    ofInstance,
    'Resident memory of the instance, what its processes share counted once.',
  ),
  requests: one('balancer_requests', 'counter', '', ofService, 'Requests (of TCP: connections) that reached the service.'),
  failed: one(
    'balancer_failed_requests',
    'counter',
    '',
    ofService,
    'Answers 5xx, broken connections and time-outs of its instances.',
  ),
  retried: one('balancer_retried_requests', 'counter', '', ofService, 'Requests that were sent again to another instance.'),
  responses: one('balancer_responses', 'counter', '', [...ofService, 'class'], 'Answers by the class of their status.'),
  bytesIn: one('balancer_received_bytes', 'counter', 'bytes', ofService, 'Bytes from clients.'),
  bytesOut: one('balancer_sent_bytes', 'counter', 'bytes', ofService, 'Bytes to clients.'),
  active: one('balancer_active_requests', 'gauge', '', ofService, 'Requests and connections under way.'),
  queued: one('balancer_queued_requests', 'gauge', '', ofService, 'Requests that wait for an instance.'),
  latencyMean: one(
    'balancer_latency_mean_seconds',
    'gauge',
    'seconds',
    ofService,
    'Mean time of the last requests, to the end of the answer.',
  ),
  latencyMax: one('balancer_latency_max_seconds', 'gauge', 'seconds', ofService, 'Longest time among the last requests.'),
  runs: one('schedule_runs', 'counter', '', ofService, 'Runs of the schedule that were ever let in, those by hand included.'),
  running: one('schedule_running', 'gauge', '', ofService, '1 while a run is under way.'),
  queuedRuns: one('schedule_queued_runs', 'gauge', '', ofService, 'Runs that wait for the one before.'),
  nextTick: one('schedule_next_tick_time_seconds', 'gauge', 'seconds', ofService, 'When the schedule is due next, as Unix time.'),
  lastSuccess: one(
    'schedule_last_success_time_seconds',
    'gauge',
    'seconds',
    ofService,
    'When a run last ended well, as Unix time; of the runs that are kept.',
  ),
  lastGood: one('schedule_last_run_succeeded', 'gauge', '', ofService, '1 when the last run that has ended did so well, else 0.'),
}

/** `docs/reference/metrics.md`. */
export function renderMetricsReference(): string {
  const rows = Object.values(families).map(({ name, type, unit, labels, help }: Described) => {
    const sample = type === 'counter' ? `${name}_total` : type === 'info' ? `${name}_info` : name
    return `| \`${sample}\` | ${type} | ${unit === '' ? '' : unit} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`
  })
  return `${[head, ['| metric | type | unit | labels | meaning |', '|---|---|---|---|---|', ...rows].join('\n'), tail].join('\n\n')}\n`
}

const head = `# Metrics

<!-- Made by \`node scripts/docs.ts\` from src/daemon/metrics/metric-families.ts. Edit that. -->

The daemon exports these in the text format of OpenMetrics 1.0, which Prometheus and others read. \`daruma metrics\` prints them; a scraper gets them
from \`/metrics\` at the port of \`daruma ui\`, with the token as a bearer, or from \`/v1/metrics\` on the daemon's socket:

\`\`\`sh
daruma metrics
curl --unix-socket /var/lib/daruma/daemon.sock http://daemon/v1/metrics
\`\`\`

Every sample has the label \`project\`. What is measured for it (CPU, memory, the balancer's counters) is measured when it is asked for, so a scrape every
15 s is cheap and none costs nothing. Counters of an instance restart with the instance, those of the balancer with the balancer: \`rate()\` handles that.`

const tail = `## Useful alerts

| alert | expression |
|---|---|
| a service has fewer instances than it should | \`daruma_service_ready_instances < daruma_service_desired_instances\` for some minutes |
| an instance crash-loops, or cannot start | \`daruma_instance_state{daruma_instance_state=~"crash-looping\\|blocked\\|failed"} == 1\` |
| the daemon cannot do its work | \`daruma_daemon_ok == 0\`, or the metric is absent |
| a backup has not succeeded for a day | \`time() - daruma_schedule_last_success_time_seconds > 90000\`, or the metric is absent |
| requests fail | \`rate(daruma_balancer_failed_requests_total[5m]) > 0.01 * rate(daruma_balancer_requests_total[5m])\` |`
