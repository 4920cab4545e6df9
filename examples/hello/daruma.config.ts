/**
 * Everything that should exist, in one file. Try it:
 *
 *   daruma plan      what would be done, and why
 *   daruma up        do it; a second time it does nothing
 *   daruma status    what runs
 *   daruma logs -f   what it says
 *   daruma down      all gone again, except the worker's volume
 *
 * Then knock something over: `kill -9` one of the pids that `daruma events` names, and look again.
 */

import { define } from 'daruma'

export default define({
  name: 'hello',
  services: {
    // A job runs once, and once more whenever something about it changes.
    build: {
      command: ['node', 'build.mjs'],
      job: true,
      environment: { GREETING: 'Seven falls, eight rises.' },
    },

    // Three copies, each with a PORT of its own. On a change a new copy is healthy before an old one leaves.
    web: {
      command: ['node', 'web.mjs'],
      replicas: 3,
      health: { http: '/healthz' },
      after: ['build'],
    },

    // One, and never two: neither during a change nor after a crash. That is why its file needs no lock.
    worker: {
      command: ['node', 'worker.mjs'],
      singleton: true,
      volumes: ['ticks'],
      after: ['build'],
    },
  },
})
