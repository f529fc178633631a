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
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"$/\1/p' "$flavour/include/generated/utsrelease.h")
output=${2:-$root/build/kmod/$release}

# The sources are copied, because Kbuild writes beside them; two builds at a time do not meet.
mkdir -p "$output/kmod" "$output/include"
output=$(cd "$output" && pwd)
cp "$here"/*.[ch] "$here/Kbuild" "$output/kmod/"
cp "$root/native/agentmem/include/agentmem_ioctl.h" "$output/include/"

# The headers name their other half by absolute path; in a folder of links that is put right.
rm -rf "$output/headers"
mkdir -p "$output/headers"
for entry in "$flavour"/* "$flavour"/.config "$flavour"/.kernelvariables; do
	[ ! -e "$entry" ] || ln -s "$entry" "$output/headers/"
done
rm -f "$output/headers/Makefile"
echo "include $common/Makefile" > "$output/headers/Makefile"
# Without type information (BTF): it needs pahole and the unpacked kernel, and nothing here reads it.
make -s -C "$output/headers" M="$output/kmod" CONFIG_DEBUG_INFO_BTF_MODULES= W="${W:-}" modules >&2
strip --strip-debug "$output/kmod/agentmem.ko"
mv "$output/kmod/agentmem.ko" "$output/agentmem.ko"
echo "$output/agentmem.ko"
