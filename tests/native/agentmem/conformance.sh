#!/bin/sh
# The conformance suite of libagentmem's backends against a real broker, whose agents have a quota.
# Usage: conformance.sh BROKER PROGRAM
set -eu
broker=$1 program=$2
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; [ -z "$pid" ] || wait "$pid" || true; rm -rf "$folder"' EXIT
"$broker" --foreground --socket "$folder/sock" --folder "$folder/broker" --quota-units 150 --quota-bytes 6M \
    >"$folder/log" 2>&1 &
pid=$!
tries=0
while ! [ -S "$folder/sock" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] && kill -0 "$pid" || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
"$program" "$folder/sock"
