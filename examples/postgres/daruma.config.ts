/**
 * PostgreSQL as a singleton: the pattern for anything that owns its data. Two postmasters on one data directory are the classic
 * double start; here there is never a second one, neither during a change nor after a crash.
 *
 *   apt-get install postgresql            Debian's package; its own server is not used
 *   export POSTGRES_PASSWORD=...          asked for by `daruma plan` and `up`, written down nowhere in this file
 *   daruma up
 *   daruma exec database -- psql -c 'select * from visits'
 *
 * Then `kill -9` the pid that `daruma events` names, and look again: the same data, a higher epoch. `daruma down` ends it; the data
 * stays in the state directory's `volumes/data`, and the next `up` finds it there.
 */

import { define, secret } from 'daruma'

// One constant for the server and for those who talk to it. Whoever imports this file cannot get it wrong.
const port = 54320

// PostgreSQL refuses to run as root, and only root can choose another user. A key that is `undefined` is a key left out.
const user = process.getuid?.() === 0 ? 'postgres' : undefined

// The first start makes the cluster, beside its place, and renames it: a start that is killed in the middle leaves nothing that looks
// finished. `exec`, so that the signal that asks for the end reaches the server and not the shell.
const server = `
  set -eu
  bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  if [ ! -d "$DARUMA_VOLUME_DATA/cluster" ]; then
    rm -rf "$DARUMA_VOLUME_DATA/cluster.new"
    printf '%s\\n' "$PGPASSWORD" | "$bin/initdb" --username=postgres --pwfile=/dev/stdin --auth=scram-sha-256 --encoding=UTF8 \\
      -D "$DARUMA_VOLUME_DATA/cluster.new"
    mv "$DARUMA_VOLUME_DATA/cluster.new" "$DARUMA_VOLUME_DATA/cluster"
  fi
  exec "$bin/postgres" -D "$DARUMA_VOLUME_DATA/cluster" -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
`

// What psql, pg_isready and every library read. The password is the one that the cluster is made with; a new value here does not
// change it in the database.
const connection = {
  environment: { PGHOST: '127.0.0.1', PGPORT: port, PGUSER: 'postgres' },
  secrets: { PGPASSWORD: secret('POSTGRES_PASSWORD') },
}

export default define({
  name: 'postgres',
  services: {
    database: {
      command: server,
      directory: '/',
      user,
      singleton: true,
      port,
      volumes: ['data'],
      ...connection,
      // Ready when it answers queries; an open port alone says less, because PostgreSQL opens it before it has recovered.
      health: { exec: ['pg_isready', '--quiet'], interval: '2s', startPeriod: '5m' },
      // SIGINT is PostgreSQL's fast shutdown. SIGTERM would wait for every client to leave.
      stop: { signal: 'SIGINT', gracePeriod: '1m' },
    },

    // Runs when the database answers, and again whenever something about it changes. Written so that a second run does no harm.
    schema: {
      command: [
        'psql',
        '--quiet',
        '--set=ON_ERROR_STOP=1',
        '--command',
        'create table if not exists visits (at timestamptz not null)',
      ],
      directory: '/',
      job: true,
      after: ['database'],
      ...connection,
    },
  },
})
