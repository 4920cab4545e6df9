/** Everything runs from one image, built from the folder beside this file. See README.md. */

import { define } from 'daruma'

const image = { build: './web' }

export default define({
  name: 'containers',
  services: {
    // Runs once, and once more when something about it changes; what it writes is in a volume that the others see.
    prepare: {
      image,
      command: 'echo "Seven falls, eight rises." >/data/greeting',
      job: true,
      volumes: { '/data': 'shared' },
    },

    // Three containers behind port 8088. Nothing of their own can be written but /tmp, and they have no capability at all.
    web: {
      image,
      replicas: 3,
      readOnly: true,
      user: '65534:65534',
      memory: '32MiB',
      health: { http: '/' },
      route: { port: 8088 },
      volumes: { '/data': 'shared' },
      after: ['prepare'],
    },

    // One, and never two: neither during a change, nor after a crash of it, of the daemon, or of the engine.
    worker: {
      image,
      command: ['sh', '/work.sh'],
      singleton: true,
      network: 'none',
      volumes: { '/data': 'worker' },
    },

    report: {
      image,
      command: 'echo "counted $(cat /data/count) by $(date)"',
      schedule: '0 3 * * *',
      network: 'none',
      volumes: { '/data': 'worker' },
    },
  },
})
