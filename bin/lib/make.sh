#!/bin/sh
# Makes x64/libatomic.so.1 from compare-exchange-x64.S: needs as and ld of GNU binutils, and nothing else. The result is in the
# repository, since a host that lacks the library has no assembler either; a test compares the two where binutils are there.
# Argument: where to; default: beside this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
out=${1:-$here/x64/libatomic.so.1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'LIBATOMIC_1.0 { global: __atomic_compare_exchange; local: *; };' >"$work/versions"
as --64 -o "$work/object.o" "$here/compare-exchange-x64.S"
ld -shared -soname libatomic.so.1 --version-script "$work/versions" --hash-style=gnu --build-id=none -z noexecstack -z relro -z now -s \
  -o "$out" "$work/object.o"
chmod 644 "$out"
