#!/usr/bin/env bash
# Install what the lists name and this machine lacks. Usage: apt.sh LIST...
# A line of a list is a package, then a command that succeeds when the package is not needed
# (a Python of your own needs no python3-dev of the distribution's).
# Without apt or without the right to use it: prints the one line to run and goes on.
set -eu

missing=
while read -r package check; do
    case $package in '' | '#'*) continue ;; esac
    [ -n "$check" ] && (eval "$check") >/dev/null 2>&1 </dev/null && continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] && continue
    missing="$missing $package"
done < <(cat "$@")
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=none
    fi
fi
if ! command -v apt-get >/dev/null; then
    echo "Not installed, and this system has no apt:$missing" >&2
    echo "Install their counterparts with your package manager for the parts that need them." >&2
    exit 0
fi
# 600 s: another apt may be at work (unattended upgrades hold the lock for minutes).
get="apt-get -o DPkg::Lock::Timeout=600"
if [ "$as_root" = none ]; then
    echo "Not installed (that takes root); for the parts that need them run:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 0
fi
echo "Installing with apt:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# Word splitting is meant: a command, its options and a list of packages.
# shellcheck disable=SC2086
{ $as_root $get update -q && $as_root $get install -y -q --no-install-recommends $missing; } >&2 || {
    echo "apt failed; the parts that need$missing stay away until this works:" >&2
    echo "    ${as_root:+sudo }apt-get update && ${as_root:+sudo }apt-get install$missing" >&2
}
