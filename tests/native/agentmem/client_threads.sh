#!/bin/sh
# client_threads.c against a real broker: one that has room, and one that evicts all the time.
# Usage: client_threads.sh BROKER PROGRAM
set -eu
broker=$1 program=$2
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; [ -z "$pid" ] || wait "$pid" || true; rm -rf "$folder"' EXIT
for hot in 256M 12M; do
    "$broker" --foreground --socket "$folder/$hot" --folder "$folder/broker-$hot" --cold 0 --hot $hot >"$folder/log" 2>&1 &
    pid=$!
    tries=0
    while ! [ -S "$folder/$hot" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] && kill -0 "$pid" || { cat "$folder/log" >&2; exit 1; }
        sleep 0.1
    done
    "$program" "$folder/$hot" 300
    kill "$pid"
    wait "$pid" || true
    pid=
done
