#!/usr/bin/env bash
# Build a small kernel that checks itself, for `python3 -m scripts.kernel --tree`: KASAN, lockdep, sleeping in
# atomic context, kmemleak and fault injection (failslab, fail_page_alloc, fail_usercopy), which Debian's
# kernels leave out; or, with `kcsan`, the detector of data races instead of KASAN.
#
# Usage: debug.sh [kasan|kcsan] [JOBS]
#
# The source is Debian's linux-source-6.1; what is missing to build it (flex, bison, libelf's headers) is
# unpacked below build/kernel, nothing is installed. Took 19 minutes on two loaded cores. The tree stays in
# build/kernel/debug-KIND: a module is built against it, and it boots arch/x86/boot/bzImage.
set -eu
cd "$(dirname "$0")/../.."
kind=${1:-kasan}
jobs=${2:-$(nproc)}
if [ "$kind" = --help ]; then sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" && exit 0; fi
for program in gcc make perl xz dpkg apt-get; do
    command -v "$program" >/dev/null || { echo "debug.sh: $program is not installed" >&2 && exit 2; }
done
case $kind in
kasan) checks="KASAN KASAN_VMALLOC PROVE_LOCKING DEBUG_ATOMIC_SLEEP DEBUG_KMEMLEAK" ;;
kcsan) checks="KCSAN KCSAN_STRICT" ;;
*) echo "debug.sh: $kind is neither kasan nor kcsan" >&2 && exit 2 ;;
esac
series=6.1
top=$PWD/build/kernel
tree=$top/debug-$kind
tools=$top/tools
mkdir -p "$top/debs"
fetch() { # PACKAGE...: below build/kernel/debs, once
    for package in "$@"; do
        compgen -G "$top/debs/${package}_*.deb" >/dev/null ||
            (cd "$top/debs" && apt-get -qq download "$package" 2>/dev/null) ||
            { echo "debug.sh: apt-get download $package failed" >&2 && exit 1; }
    done
}
fetch flex bison m4 bc libelf-dev zlib1g-dev linux-source-$series
if [ ! -e "$tools/done" ]; then
    for package in flex bison m4 bc libelf-dev zlib1g-dev; do
        dpkg -x "$top/debs/${package}"_*.deb "$tools"
    done
    # The development package's link names a library that the machine has, in another folder.
    ln -sf "/usr/lib/x86_64-linux-gnu/libelf.so.1" "$tools/usr/lib/x86_64-linux-gnu/libelf.so"
    ln -sf "/lib/x86_64-linux-gnu/libz.so.1" "$tools/usr/lib/x86_64-linux-gnu/libz.so"
    touch "$tools/done"
fi
if [ ! -e "$tree/Makefile" ]; then
    mkdir -p "$tree.new"
    dpkg --fsys-tarfile "$top/debs/linux-source-$series"_*.deb |
        tar -xO "./usr/src/linux-source-$series.tar.xz" | tar -xJ --strip-components=1 -C "$tree.new"
    mv "$tree.new" "$tree"
fi
export PATH="$tools/usr/bin:$PATH" M4="$tools/usr/bin/m4" BISON_PKGDATADIR="$tools/usr/share/bison"
host=(HOSTCFLAGS="-I$tools/usr/include" HOSTLDFLAGS="-L$tools/usr/lib/x86_64-linux-gnu")
cd "$tree"
make -s "${host[@]}" tinyconfig >/dev/null 2>&1
wanted="64BIT SMP PRINTK TTY SERIAL_8250 SERIAL_8250_CONSOLE BLK_DEV_INITRD RD_GZIP BINFMT_ELF BINFMT_SCRIPT
SLUB PROC_FS PROC_SYSCTL SYSFS DEVTMPFS SHMEM TMPFS MODULES MODULE_UNLOAD MULTIUSER FUTEX EPOLL EVENTFD
SIGNALFD TIMERFD POSIX_TIMERS HIGH_RES_TIMERS FILE_LOCKING ADVISE_SYSCALLS MEMBARRIER
NET UNIX PCI ACPI KALLSYMS STACKTRACE BUG DEBUG_BUGVERBOSE ELF_CORE CRYPTO CRYPTO_SHA256 CRYPTO_ZSTD
CRYPTO_LIB_BLAKE2S CRYPTO_BLAKE2S_X86 FTRACE ENABLE_DEFAULT_TRACERS CGROUPS DEBUG_KERNEL DEBUG_FS
DEBUG_LIST DEBUG_MISC SLUB_DEBUG DETECT_HUNG_TASK FAULT_INJECTION FAILSLAB FAIL_PAGE_ALLOC
FAULT_INJECTION_USERCOPY FAULT_INJECTION_DEBUG_FS FRAME_POINTER
UNWINDER_FRAME_POINTER PREEMPT PRINTK_TIME UNIX98_PTYS MEMFD_CREATE $checks"
for name in $wanted; do
    scripts/config --enable "$name"
done
scripts/config --disable CC_OPTIMIZE_FOR_SIZE --disable SLOB --disable UNWINDER_ORC --disable UNWINDER_GUESS \
    --set-val FRAME_WARN 0 --set-val DEBUG_KMEMLEAK_MEM_POOL_SIZE 16000 --set-str LOCALVERSION "-nexus-$kind"
make -s "${host[@]}" olddefconfig
for name in MODULES UNIX FAILSLAB CRYPTO_ZSTD SERIAL_8250_CONSOLE $checks; do
    grep -q "^CONFIG_$name=y" .config || { echo "debug.sh: CONFIG_$name did not take" >&2 && exit 1; }
done
make -s "${host[@]}" -j"$jobs" bzImage modules
echo "$tree/arch/x86/boot/bzImage"
