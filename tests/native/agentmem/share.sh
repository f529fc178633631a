#!/bin/sh
# The C example against a real broker, and what the shared library shows: its soname and the symbols of agentmem.h.
# Usage: share.sh BROKER EXAMPLE LIBRARY HEADER
set -eu
broker=$1 example=$2 library=$3 header=$4
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; [ -z "$pid" ] || wait "$pid" || true; rm -rf "$folder"' EXIT

nm -D --defined-only "$library" | sed -n 's/.* T \(am_[a-z_]*\)@@AGENTMEM_1$/\1/p' | sort >"$folder/shown"
grep -o '^AM_PUBLIC.*' "$header" | grep -o 'am_[a-z_]*(' | tr -d '(' | sort >"$folder/declared"
diff "$folder/declared" "$folder/shown" || { echo "the library does not show what the header declares" >&2; exit 1; }
nm -D --defined-only "$library" | grep ' [TDBR] ' | grep -v '@@AGENTMEM_1$' | grep -v ' AGENTMEM_1$' && {
    echo "the library shows more than the header declares" >&2
    exit 1
}
readelf -d "$library" | grep -q 'soname: \[libagentmem.so.1\]'

"$broker" --foreground --socket "$folder/sock" --folder "$folder/broker" --cold 0 >"$folder/log" 2>&1 &
pid=$!
tries=0
while ! [ -S "$folder/sock" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] && kill -0 "$pid" || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
printf 'You are a careful engineer.\n' >"$folder/prompt"
"$example" "$folder/sock" "$folder/prompt" first >"$folder/first"
cat "$folder/first"
grep -q '^first: stored, 28 bytes, [0-9a-f]\{64\}$' "$folder/first"
grep -q '^user: which port?$' "$folder/first"
"$example" "$folder/sock" /nowhere third 2>/dev/null && { echo "a missing file was no error" >&2; exit 1; }
"$example" /nowhere/sock "$folder/prompt" third 2>"$folder/error" && exit 1
grep -q 'no broker answers at /nowhere/sock' "$folder/error"
