/**
 * Everything that should exist, in one file. Try it:
 *
 *   daruma plan      what would be done, and why
 *   daruma up        do it; a second time it does nothing
 *   daruma status    what runs
 *   daruma logs -f   what it says
 *   daruma down      all gone again, except the worker's volume
 *
 * Write another greeting into web/greeting.txt, `daruma up`, and think better of it: `daruma rollback 1` brings the old one back.
 *
 * Then knock something over: `kill -9` one of the pids that `daruma events` names, and look again.
 */

import { define } from 'daruma'

// The folder as it is at `daruma up` is the release: kept as it was, built once, and what comes back on a rollback.
const web = { path: './web', build: 'node build.mjs' }

export default define({
  name: 'hello',
  services: {
    // A job runs once, and once more whenever something about it changes.
    check: { source: web, command: ['node', 'check.mjs'], job: true },

    // Three copies, each with a PORT of its own. On a change a new copy is healthy before an old one leaves.
    web: {
      source: web,
      command: ['node', 'web.mjs'],
      replicas: 3,
      health: { http: '/healthz' },
      after: ['check'],
    },

    // One, and never two: neither during a change nor after a crash. That is why its file needs no lock.
    worker: {
      source: './worker',
      command: ['node', 'worker.mjs'],
      singleton: true,
      volumes: ['ticks'],
      after: ['check'],
    },
  },
})
