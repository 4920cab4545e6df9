#!/bin/sh
# A dump of the database into the volume `backups`. It gets its name when it is whole; the seven newest stay.

set -eu
cd "$DARUMA_VOLUME_BACKUPS"
rm -f ./*.part
dump=shop-$(date -u +%Y%m%dT%H%M%SZ).dump
pg_dump --format=custom --file="$dump.part"
sync "$dump.part"
mv "$dump.part" "$dump"
echo "$dump, $(stat -c %s "$dump") bytes"
ls -1 shop-*.dump | sort -r | tail -n +8 | while read -r old; do rm "$old"; done
