/**
 * A small shop, whole: a database, its schema, three web servers behind a balancer, a worker, and a backup each night. From nothing:
 *
 *   apt-get install postgresql haproxy      without HAProxy, Daruma's own balancer takes its place
 *   daruma up
 *   curl http://127.0.0.1:8088/
 *
 * Change something (the greeting below), `daruma up` again, and nobody notices. `kill -9` anything that `daruma events` names.
 */

import { define, secret } from 'daruma'

// What everybody needs who speaks to the database. psql, pg_isready and pg_dump read the same variables as web.mjs and worker.mjs.
// The password is made at the first use and stays in a file beside this one, which git does not know.
const port = 25432
const database = {
  environment: { PGHOST: '127.0.0.1', PGPORT: port, PGUSER: 'postgres', PGDATABASE: 'postgres' },
  secrets: { PGPASSWORD: secret.command(['sh', 'password.sh']) },
}

// The files that a service runs from, as they are at `daruma up`: a change of one is a change of just the services that have it.
const only = (...files: readonly string[]) => ({ path: '.', ignore: ['*', ...files.map((file) => `!${file}`)] })

// PostgreSQL refuses to run as root, and only root can choose another user.
const user = process.getuid?.() === 0 ? 'postgres' : undefined

export default define({
  name: 'shop',

  // Only for this machine. '*', the default, is for everybody.
  balancer: { address: '127.0.0.1' },

  services: {
    // One, and never two on the same data: neither during a change nor after a crash.
    database: {
      source: only('database.sh'),
      command: ['sh', 'database.sh'],
      user,
      singleton: true,
      port,
      volumes: ['data'],
      secrets: database.secrets,
      // Ready when it answers; an open port alone says less, because PostgreSQL opens it before it has recovered.
      health: { exec: ['pg_isready', '--quiet', '--host=127.0.0.1', `--port=${port}`], interval: '1s', startPeriod: '5m' },
      // SIGINT is PostgreSQL's fast shutdown. SIGTERM would wait for every client to leave.
      stop: { signal: 'SIGINT', gracePeriod: '1m' },
      protect: true,
    },

    // Runs when the database answers, and again when schema.sql has changed.
    migrate: {
      source: only('schema.sql'),
      command: ['psql', '--quiet', '--set=ON_ERROR_STOP=1', '--file=schema.sql'],
      job: true,
      after: ['database'],
      ...database,
      environment: { ...database.environment, PGOPTIONS: '--client-min-messages=warning' },
    },

    // On a change a new copy is ready before an old one gets no more requests, ends those it has, and leaves.
    web: {
      source: only('web.mjs', 'postgres.mjs'),
      command: ['node', 'web.mjs'],
      replicas: 3,
      route: { port: 8088 },
      after: ['migrate'],
      health: { http: '/healthz' },
      ...database,
      environment: { ...database.environment, GREETING: 'Seven falls, eight rises.' },
    },

    // Packs what was ordered. There is one at a time, so an order is packed once.
    worker: {
      source: only('worker.mjs', 'postgres.mjs'),
      command: ['node', 'worker.mjs'],
      singleton: true,
      after: ['migrate'],
      ...database,
    },

    // At three in the morning, in Tokyo. `daruma job run backup` does it now; the dumps are in the state directory's volumes/backups.
    backup: {
      source: only('backup.sh'),
      command: ['sh', 'backup.sh'],
      schedule: { cron: '0 3 * * *', timezone: 'Asia/Tokyo', timeout: '1h', retries: 2 },
      volumes: ['backups'],
      ...database,
    },
  },
})
