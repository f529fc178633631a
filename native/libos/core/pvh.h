/* How a virtual machine monitor starts an image that it knows nothing of: PVH, as qemu -M microvm does.
 *
 *   qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -accel tcg -m 64M
 *       -M microvm,auto-kernel-cmdline=off,rtc=off,pit=off,pic=off,isa-serial=off,acpi=off
 *       -global virtio-mmio.force-legacy=off
 *       -kernel image.elf -initrd modules.nxa -append "nx.virtio=0xfeb00e00 WORD..."
 *       -device virtio-serial-device -chardev socket,id=c,path=PATH (or fd=N)
 *       -device virtserialport,chardev=c,nr=1
 *
 * Memory: the part of the memory map that holds the image, up to a multiple of 2 MiB, is the guest's: -m
 * gives the limit's bytes and the 2 MiB below NX_BASE. Modules: at most one file, an archive (nx_abi.h).
 * Command line: its first word names the registers of the virtio-mmio device (version 2, a console), which is
 * 0xfeb00e00 for the only device of a microvm; what follows are the guest's words.
 *
 * Console: its first port, 0 or 1, carries frames both ways and nothing else; every op arrives at the peer, EXIT
 * too. Port 1 it should be: QEMU drops what a virtconsole (port 0) sends while its socket is full. The guest
 * waits for answers by looking at memory, so a waiting guest keeps a core busy. Having sent EXIT, and at any
 * fault, it makes the machine reset, which -no-reboot turns into the end of QEMU: an end without EXIT is a fault.
 *
 * After the start the guest maps nothing below NX_BASE, its page tables neither; text is not writable, and
 * nothing but text is executable.
 */
#ifndef NX_PVH_H
#define NX_PVH_H

#include <stdint.h>

#define PVH_MAGIC 0x336ec578u
#define PVH_MEMORY_RAM 1u

struct pvh_start {
    uint32_t magic;
    uint32_t version; /* >= 1: there is a memory map */
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line; /* NUL-terminated, or 0 */
    uint64_t acpi;
    uint64_t memory;
    uint32_t memory_count;
    uint32_t reserved;
};

struct pvh_module {
    uint64_t address;
    uint64_t size;
    uint64_t command_line;
    uint64_t reserved;
};

struct pvh_memory {
    uint64_t address;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

/* Makes the virtio console at `registers` ready. Gives 0 where there is none. */
int nx_virtio_open(uint64_t registers);

/* Ends the machine: see above. In the section .boot, with the other privileged instructions. */
_Noreturn void nx_pvh_reset(void);

#endif
