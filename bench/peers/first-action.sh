#!/bin/sh
# The work in every bench: says that it runs, as the first thing it does, and then does nothing.

echo "$$" >"$FIRST_ACTION"
exec sleep 1000000
