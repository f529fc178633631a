#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build agentmem.ko against kernel headers, installed or only unpacked.
#   build.sh HEADERS_DIR [OUTPUT_DIR]
# HEADERS_DIR: a folder into which dpkg -x unpacked linux-headers-VERSION-FLAVOUR, its -common and
# linux-kbuild-VERSION of Debian (one version), or the build folder of an installed kernel
# (/lib/modules/VERSION/build). OUTPUT_DIR gets agentmem.ko (default: build/kmod/RELEASE of the repository).
# Nothing outside OUTPUT_DIR is written. Prints the module's path.
set -eu

die() { echo "build.sh: $*" >&2; exit 1; }

[ $# -ge 1 ] && [ $# -le 2 ] || die "usage: build.sh HEADERS_DIR [OUTPUT_DIR]"
[ -d "$1" ] || die "$1: no such folder"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
headers=$(cd "$1" && pwd)

if [ -f "$headers/.config" ]; then
	flavour=$headers
	common=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$headers/Makefile")
	common=${common:-$headers}
else
	flavour=$(find "$headers/usr/src" -mindepth 2 -maxdepth 2 -name .config -printf '%h\n' 2>/dev/null)
	[ -n "$flavour" ] || die "$headers: no usr/src/linux-headers-*/.config: unpack linux-headers there"
	[ "$(echo "$flavour" | wc -l)" = 1 ] || die "$headers: more than one kernel; give each its own folder"
	common=$headers$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$flavour/Makefile")
fi
[ -f "$common/Makefile" ] || die "$common: not there: unpack linux-headers-VERSION-common too"
[ -x "$flavour/scripts/mod/modpost" ] || die "$flavour/scripts: not there: unpack linux-kbuild-VERSION too"
release=$(cat "$flavour/include/config/kernel.release")
output=${2:-$root/build/kmod/$release}

# The sources are copied, because Kbuild writes beside them; two builds at a time do not meet.
mkdir -p "$output/kmod" "$output/include"
output=$(cd "$output" && pwd)
cp "$here"/*.[ch] "$here/Kbuild" "$output/kmod/"
cp "$root/native/agentmem/include/agentmem_ioctl.h" "$output/include/"

# The folders of Debian's headers name each other by absolute path; say where they really are.
make -s -f "$common/Makefile" -C "$flavour" KBUILD_OUTPUT="$flavour" abs_srctree="$common" \
	abs_objtree="$flavour" srctree="$common" VPATH="$common" need-sub-make= \
	M="$output/kmod" W="${W:-}" modules >&2
mv "$output/kmod/agentmem.ko" "$output/agentmem.ko"
echo "$output/agentmem.ko"
