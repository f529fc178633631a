#!/usr/bin/env bash
# Fetch the dashboard's one library from npm and write down what was fetched. Usage: vendor.sh [VERSION]
# Needs npm, which neither installing nor testing NexusOS does: the result is committed.
set -eu
cd "$(dirname "$0")/.."
folder=src/nexus/service/dashboard/static/vendor
version=${1:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$folder/VENDOR.toml")}
command -v npm >/dev/null || {
    echo "npm is needed to refresh the dashboard's library; install it and run this again" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "Fetching htmx.org $version" >&2
npm pack --silent --pack-destination "$work" "htmx.org@$version" >/dev/null
tar -xzf "$work/htmx.org-$version.tgz" -C "$work"
grep -q '^Zero-Clause BSD' "$work/package/LICENSE" || {
    echo "the licence of htmx.org $version is not 0BSD any more; look before you take it" >&2
    exit 1
}
install -m 644 "$work/package/dist/htmx.min.js" "$folder/htmx.min.js"
install -m 644 "$work/package/LICENSE" "$folder/htmx.LICENSE.txt"
hash_of() { sha256sum "$folder/$1" | cut -d' ' -f1; }
cat >"$folder/VENDOR.toml" <<TOML
# Files of others, unchanged. Written by scripts/vendor.sh; a test compares the hashes.
[[library]]
name = "htmx.org"
version = "$version"
licence = "0BSD"

[library.files]
"htmx.min.js" = "$(hash_of htmx.min.js)"
"htmx.LICENSE.txt" = "$(hash_of htmx.LICENSE.txt)"
TOML
cat "$folder/VENDOR.toml"
