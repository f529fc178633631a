#!/usr/bin/env bash
# Build a minimal kernel with the four system calls of native/agentmem/patches and run its selftests in QEMU.
# Usage: syscalls.sh [--kasan | --help]
#   --kasan   a kernel that also finds wrong accesses to memory (KASAN); takes about twice as long
#   --help    print this
#
# Opt-in: no other target calls it. It downloads the kernel's source, builds it below build/kernel/syscalls;
# a second run builds only what changed. It needs x86-64, gcc, make, patch, perl, bc, xz, python3,
# qemu-system-x86_64 and Debian's apt, which fetches linux-source-6.1 and, where they are not installed,
# flex, bison, m4 and libelf. These are unpacked there; nothing is installed. No root, no KVM.
#
# On stdout: TAP, one line a test program, one for /proc/agent_stats, one for the kernel's log. Exit status:
# 0 all passed, 1 one of these failed, 2 the kernel could not be built or booted.
set -euo pipefail
usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; }
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then usage && exit 0; fi
cd "$(dirname "$0")/../.."
top=$PWD
series=$top/native/agentmem/patches
work=$top/build/kernel/syscalls
flavour=plain
case "${1:-}" in
    '') ;;
    --kasan) flavour=kasan ;;
    *)
        echo "syscalls.sh: $1 is no option; --help says what there is" >&2
        exit 2
        ;;
esac
trap 'echo "syscalls.sh: failed in line $LINENO; see $work/*.log" >&2; exit 2' ERR
mkdir -p "$work/tools" "$work/tests"
cd "$work"
tree=$work/linux-source-6.1
out=$work/$flavour

# What cannot be helped, in words.
die() {
    echo "syscalls.sh: $*" >&2
    exit 2
}

download() {
    apt-get download "$1" >>fetch.log 2>&1 ||
        die "apt-get download $1 failed: $(tail -n 1 fetch.log) (are the package lists of Debian 12 there?)"
}

# fetch PACKAGE: its files, below tools/.
fetch() {
    [ -e "tools/.$1" ] && return
    echo "Fetching $1" >&2
    rm -f "$1"_*.deb
    download "$1"
    dpkg -x "$1"_*.deb tools
    : >"tools/.$1"
}

missing=
for program in gcc make patch perl bc xz python3 dpkg-deb apt-get qemu-system-x86_64; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || die "not installed:$missing"
[ "$(uname -m)" = x86_64 ] || die "builds for x86-64 only, and this is $(uname -m)"
for program in flex bison m4; do
    command -v "$program" >/dev/null || fetch "$program"
done
[ -e /usr/include/gelf.h ] || { fetch libelf-dev && fetch libelf1 && fetch zlib1g-dev; }
export PATH="$work/tools/usr/bin:$PATH"
if [ -e tools/.bison ]; then export BISON_PKGDATADIR=$work/tools/usr/share/bison; fi
if [ -e tools/.m4 ]; then export M4=$work/tools/usr/bin/m4; fi
if [ -e tools/.libelf-dev ]; then
    library=$work/tools/usr/lib/x86_64-linux-gnu
    export C_INCLUDE_PATH=$work/tools/usr/include LIBRARY_PATH=$library LD_RUN_PATH=$library
    ln -sf "$(find "$work/tools" /lib/x86_64-linux-gnu -name 'libz.so.1' | head -n 1)" "$library/libz.so"
fi

# The tree anew when the source or a patch changed. Files that are not patched keep the archive's times, and
# those that became what they were before keep that time, so that make, whose objects lie elsewhere, builds
# only what differs.
archive=$(find . -maxdepth 1 -name 'linux-source-6.1_*.deb' | sort -V | tail -n 1)
if [ -z "$archive" ]; then
    echo "Fetching linux-source-6.1 (140 MB)" >&2
    download linux-source-6.1
    archive=$(find . -maxdepth 1 -name 'linux-source-6.1_*.deb')
fi
state=$(cat "$series"/0*.patch <(echo "$archive") | sha256sum)
if [ "$(cat state 2>/dev/null)" != "$state" ]; then
    rm -rf "$tree.old" state
    [ ! -e "$tree" ] || mv "$tree" "$tree.old"
    echo "Unpacking $archive" >&2
    dpkg-deb --fsys-tarfile "$archive" | tar -xO ./usr/src/linux-source-6.1.tar.xz | nice -n 19 tar -xJ
    for patch in "$series"/0*.patch; do
        case $patch in */0000-*) continue ;; esac # the cover letter
        patch -d "$tree" -p1 --fuzz=0 --forward <"$patch" >>patch.log ||
            die "${patch##*/} does not apply to $archive; see $work/patch.log"
    done
    sed -n 's|^+++ b/||p' "$series"/0*.patch | sort -u | while read -r file; do
        if cmp -s "$tree.old/$file" "$tree/$file"; then touch -r "$tree.old/$file" "$tree/$file"; fi
    done
    rm -rf "$tree.old"
    echo "$state" >state
fi

build() { nice -n 19 make -C "$tree" O="$out" ARCH=x86_64 "$@"; }
mkdir -p "$out"
build tinyconfig >"$flavour.log" 2>&1
cat "$series/boot.config" "$tree/tools/testing/selftests/agentmem/config" >wanted.config
if [ "$flavour" = kasan ]; then
    printf 'CONFIG_%s=y\n' SLUB KASAN KASAN_GENERIC KASAN_INLINE >>wanted.config
fi
"$tree/scripts/kconfig/merge_config.sh" -m -O "$out" "$out/.config" wanted.config >>"$flavour.log" 2>&1
build olddefconfig >>"$flavour.log" 2>&1
grep '^CONFIG_' wanted.config | while read -r line; do
    grep -qxF "$line" "$out/.config" || {
        echo "This kernel has no $line" >&2
        exit 2
    }
done
echo "Building the kernel (log: build/kernel/syscalls/$flavour.log)" >&2
build -j2 bzImage headers >>"$flavour.log" 2>&1
nice -n 19 make -C "$tree/tools/testing/selftests/agentmem" OUTPUT="$work/tests" USERLDFLAGS=-static \
    KHDR_INCLUDES="-isystem $out/usr/include" >>"$flavour.log" 2>&1
gcc -std=c11 -Wall -Wextra -Werror -O2 -static -o init "$series/init.c"

{
    printf 'dir /dev 0755 0 0\nnod /dev/console 0600 0 0 c 5 1\ndir /tests 0755 0 0\n'
    printf 'file /init %s 0755 0 0\n' "$work/init"
    for test in units agents stress; do
        printf 'file /tests/%s_test %s 0755 0 0\n' "$test" "$work/tests/${test}_test"
    done
} >initramfs.list
"$out/usr/gen_init_cpio" initramfs.list | gzip -1 >initramfs.gz

echo "Booting it" >&2
nice -n 19 timeout 3000 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 384 -smp 2,sockets=2 \
    -kernel "$out/arch/x86/boot/bzImage" -initrd initramfs.gz \
    -append "console=ttyS0 panic=-1 oops=panic quiet loglevel=5" \
    -nodefaults -display none -no-reboot -serial stdio </dev/null >console.log 2>qemu.log || {
    echo "QEMU ended with status $? (124: 3000 seconds were over); see build/kernel/syscalls/console.log" >&2
    exit 2
}

# What the machine printed: its TAP, and the kernel's own lines, which begin with a time. The plan grows by
# two.
tr -d '\r' <console.log | sed -n '/^TAP version/,$p' >said.log
if ! grep -q '^# end$' said.log; then
    echo "The machine did not come to its end; see build/kernel/syscalls/console.log" >&2
    tail -n 30 console.log >&2
    exit 2
fi
planned=$(sed -n 's/^1\.\.//p' said.log)
passed=$(grep -c '^ok ' said.log || true)
grep -v -e '^\[ *[0-9]*\.[0-9]*\]' -e '^# end$' said.log | sed "s/^1\\.\\.[0-9]*\$/1..$((planned + 2))/"
splat='BUG:|WARNING:|Oops|KASAN: |INFO: |suspicious RCU|possible .* (deadlock|detected)|refcount_t'
splat="$splat|Call Trace|panic"
status=0
sed -n 's/^# agent_stats| //p' said.log >agent_stats
if (cd "$top" && python3 -m scripts.kernel.stats "$work/agent_stats") | sed 's/^/    # /'; then
    echo "ok $((planned + 1)) - /proc/agent_stats has the format of user space"
else
    echo "not ok $((planned + 1)) - /proc/agent_stats has the format of user space"
    status=1
fi
if grep -E "^\[ *[0-9.]+\].*($splat)" console.log | head -n 20 | sed 's/^/    # /' | grep .; then
    echo "not ok $((planned + 2)) - the kernel's log is clean"
    status=1
else
    echo "ok $((planned + 2)) - the kernel's log is clean"
fi
# Root and swap are there: no test has a reason to skip.
if [ "$planned" -ne 3 ] || [ "$passed" != "$planned" ] || grep -q '# SKIP' said.log; then status=1; fi
exit $status
