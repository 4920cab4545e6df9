#!/bin/sh
# PostgreSQL in the volume `data`. The first start makes the cluster beside its place and renames it: a start that is killed in the
# middle leaves nothing that looks finished. `exec`, so that the signal that asks for the end reaches the server and not the shell.

set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
cluster=$DARUMA_VOLUME_DATA/cluster
if [ ! -d "$cluster" ]; then
  rm -rf "$cluster.new"
  printf '%s\n' "$PGPASSWORD" |
    "$bin/initdb" --username=postgres --pwfile=/dev/stdin --auth=scram-sha-256 --encoding=UTF8 -D "$cluster.new" >/dev/null
  mv "$cluster.new" "$cluster"
fi
exec "$bin/postgres" -D "$cluster" -p "$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
