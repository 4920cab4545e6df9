/** How an event is to be taken, for what shows it: the terminal and the page. A kind without a tone does not compile. */

import type { EventKind } from './event.ts'

export type EventTone = 'good' | 'uneasy' | 'bad' | 'plain'

const tones: Readonly<Record<EventKind, EventTone>> = {
  'daemon-started': 'plain',
  'daemon-stopped': 'plain',
  'host-rebooted': 'uneasy',
  adopted: 'good',
  'orphan-ended': 'uneasy',
  starting: 'plain',
  started: 'plain',
  'start-failed': 'bad',
  ready: 'good',
  unready: 'uneasy',
  unhealthy: 'bad',
  exited: 'uneasy',
  'memory-killed': 'bad',
  'backing-off': 'uneasy',
  'crash-looping': 'bad',
  draining: 'plain',
  stopping: 'plain',
  killed: 'uneasy',
  stopped: 'plain',
  completed: 'good',
  failed: 'bad',
  lost: 'bad',
  blocked: 'bad',
  unblocked: 'good',
  waiting: 'uneasy',
  'disk-full': 'bad',
  'disk-recovered': 'good',
  'operation-started': 'plain',
  'operation-succeeded': 'good',
  'operation-failed': 'bad',
  'rolling-back': 'uneasy',
  'rolled-back': 'uneasy',
  replaced: 'plain',
  assigned: 'plain',
  retired: 'plain',
  'engine-away': 'bad',
  'engine-back': 'good',
  'supervisor-restarted': 'uneasy',
  'database-replaced': 'bad',
  skipped: 'uneasy',
  'clock-stepped': 'uneasy',
  'certificate-fetched': 'plain',
  'certificate-failed': 'bad',
  'certificate-ending': 'uneasy',
  'handed-over': 'plain',
  'notice-sent': 'plain',
  'notice-failed': 'bad',
}

/** A daemon may be newer than the program that shows its events. */
export function toneOfEvent(kind: string): EventTone {
  return Object.hasOwn(tones, kind) ? tones[kind as EventKind] : 'plain'
}
