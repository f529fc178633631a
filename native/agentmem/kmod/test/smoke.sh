#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the module, boot it under QEMU without KVM, print what the guest says; status 1 when a line
# says FAIL, the guest hangs or the kernel complains.
#   smoke.sh UNPACKED_DIR BUSYBOX
# UNPACKED_DIR: linux-image, linux-headers, its -common and linux-kbuild of one version, by dpkg -x.
set -eu
[ $# = 2 ] || { echo "usage: smoke.sh UNPACKED_DIR BUSYBOX" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
module=$("$here/../build.sh" "$1")
tree=$(dirname "$module")/smoke
rm -rf "$tree"
mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev"
cp "$2" "$tree/bin/busybox"
cp "$module" "$here/init" "$tree/"
chmod +x "$tree/init"
find "$1/lib/modules" -name zstd_compress.ko -exec cp {} "$tree/" \;
cc -std=gnu11 -O1 -Wall -Wextra -Werror -static -I"$root/native/agentmem/include" \
	-o "$tree/smoke" "$here/smoke.c"
(cd "$tree" && find . | "$tree/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) > "$tree.cpio.gz"
log=$tree.log
timeout 240 qemu-system-x86_64 -accel tcg -m 512 -smp 2 -nographic -no-reboot -nic none \
	-kernel "$(echo "$1"/boot/vmlinuz-*)" -initrd "$tree.cpio.gz" \
	-append "console=ttyS0 panic=-1 quiet loglevel=4 oops=panic" > "$log" 2>&1 < /dev/null ||
	{ tail -n 40 "$log"; echo "smoke.sh: the guest did not end by itself" >&2; exit 1; }
tr -d '\r' < "$log" | grep -E "^(NEXUS-KERNEL|figure) " | grep -v ": ok" || true
grep -c "^NEXUS-KERNEL .*: ok" "$log" | sed 's/$/ ok/'
! grep -qE "^NEXUS-KERNEL [a-z_]*: FAIL|BUG:|WARNING:|Call Trace" "$log" ||
	{ echo "see $log" >&2; exit 1; }
grep -q "^NEXUS-KERNEL kmod_log: ok" "$log"
