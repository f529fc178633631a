/* The line between a guest and its tender: where a guest lies, what it is given, how it asks.
 *
 * A guest is one ELF image, linked at NX_IMAGE, entered in 64-bit mode at e_entry with the address of a struct
 * nx_boot in rdi, or at its PVH note in 32-bit mode. It needs no privileged instruction, interrupt or
 * system call after that: everything it wants of the world is one call block rung at the doorbell.
 *
 * Address space, the same in every tender (virtual = physical):
 *
 *   0 .. NX_BASE           nothing: a null pointer faults, and so does a stack that runs over
 *   NX_BASE .. NX_IMAGE    the stack, growing down
 *   NX_IMAGE .. end        the image: text (read, execute), constants (read), data and bss (read, write)
 *   .. modules             struct nx_boot and what it points to, then the modules, each on a page of its own
 *   .. memory_end          the heap
 *   NX_DOORBELL            one page where a store is a call (NX_RING_STORE)
 *
 * All numbers are little-endian. A tender trusts nothing here: a call block or buffer that does not lie in
 * [NX_BASE, memory_end), or an `out` in memory that the guest may not write, is answered with -NX_EFAULT, or ends
 * the guest where there is no block to answer in. -NX_EINVAL: `reserved` is not 0 or an argument means nothing;
 * -NX_E2BIG: more than NX_PAYLOAD_MAX; -NX_ENOSYS: an operation that is none.
 */
#ifndef NX_ABI_H
#define NX_ABI_H

#include <stdint.h>

#define NX_ABI_VERSION 1u
#define NX_BOOT_MAGIC 0x4258u /* "XB" */
#define NX_BASE 0x200000u
#define NX_STACK_SIZE 0x100000u
#define NX_IMAGE (NX_BASE + NX_STACK_SIZE)
#define NX_DOORBELL 0xd0000000u
#define NX_MEMORY_MAX 0x80000000u   /* memory_end is at most this: a call block fits the 32-bit store */
#define NX_PAYLOAD_MAX (1u << 20)   /* bytes of `in` and of `out`, at most, in one call */

/* How a guest rings. */
enum {
    NX_RING_STORE = 1,  /* store the block's address, 32 bits, to NX_DOORBELL */
    NX_RING_CALL = 2,   /* call `doorbell(block)` by the System V convention */
    NX_RING_VIRTIO = 3, /* frames (below) over the virtio-mmio console at `doorbell` */
};

struct nx_module {
    uint64_t name; /* NUL-terminated */
    uint64_t address;
    uint64_t size; /* bytes; the page behind it is zero up to its end */
};

struct nx_boot {
    uint32_t magic;
    uint32_t version;
    uint32_t ring; /* NX_RING_* */
    uint32_t module_count;
    uint64_t doorbell;
    uint64_t modules;      /* struct nx_module[module_count] */
    uint64_t command_line; /* words parted by spaces, NUL-terminated */
    uint64_t heap;         /* page-aligned: [heap, memory_end) is the guest's to use, and zero */
    uint64_t memory_end;
};

/* One call. The tender writes `result` and `out_len` and nothing else outside `out`. */
struct nx_call {
    uint32_t op;
    uint32_t reserved; /* 0 */
    uint64_t arg;
    uint64_t in;
    uint64_t in_len;
    uint64_t out;
    uint64_t out_cap;
    int64_t result;   /* >= 0, or -NX_E* */
    uint64_t out_len; /* bytes written to out; with -NX_EMSGSIZE: bytes needed, nothing written */
};

enum {
    NX_OP_EXIT = 0,   /* arg: status 0..255; does not return */
    NX_OP_WRITE = 1,  /* arg: 1 or 2; in: bytes; result: in_len */
    NX_OP_READ = 2,   /* arg: 0; out: bytes of standard input; result: how many, 0 at its end */
    NX_OP_TIME = 3,   /* arg: 0 since 1970, 1 monotonic; result: nanoseconds */
    NX_OP_RANDOM = 4, /* out: out_cap random bytes; result: out_cap */
    NX_OP_SLEEP = 5,  /* arg: nanoseconds */
    NX_OP_FETCH = 6,  /* arg: status of the code before (0 at first); out: code to run; -NX_ENOENT: no more */
    NX_OP_CALL = 7,   /* in: {"name": str, "args": {..}}; out: {"ok": value} or {"error": text, "type": name} */
    NX_OP_FILE_STAT = 16, /* in: path, UTF-8; out: struct nx_stat */
    NX_OP_FILE_READ = 17, /* in: path; arg: offset; out: bytes; result: how many, 0 at the end */
    NX_OP_FILE_LIST = 18, /* in: path of a folder; out: names, each followed by NUL; folders end in "/" */
    NX_OP_BLOCK_INFO = 24,  /* arg: device; out: struct nx_block_info */
    NX_OP_BLOCK_READ = 25,  /* in: struct nx_block_at; out: count * sector bytes */
    NX_OP_BLOCK_WRITE = 26, /* in: struct nx_block_at, then count * sector bytes */
    NX_OP_NET_INFO = 32,    /* arg: link; out: struct nx_net_info */
    NX_OP_NET_SEND = 33,    /* arg: link; in: one Ethernet frame; dropped where the link is full */
    NX_OP_NET_RECV = 34,    /* arg: link | milliseconds << 32; out: one frame; result: its size, 0: none came */
};

struct nx_stat {
    uint64_t size;
    int64_t modified_ns;
    uint32_t is_folder;
    uint32_t reserved;
};

struct nx_block_info {
    uint64_t sectors;
    uint32_t sector_size; /* 512 */
    uint32_t read_only;
};

struct nx_block_at {
    uint32_t device;
    uint32_t count;
    uint64_t sector;
};

struct nx_net_info {
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t address; /* IPv4, network order; 0: none given */
    uint32_t mask;
    uint32_t gateway;
};

/* The tenders' errors, as Linux numbers them. */
enum {
    NX_EPERM = 1,
    NX_ENOENT = 2,
    NX_EIO = 5,
    NX_E2BIG = 7,
    NX_EFAULT = 14,
    NX_ENODEV = 19,
    NX_EISDIR = 21,
    NX_EINVAL = 22,
    NX_ENOSYS = 38,
    NX_EMSGSIZE = 90,
};

/* A call between processes: tender and service (every op that a tender does not answer itself), or the virtio
 * guest and QEMU's peer (every op). A request is a header and in_len bytes; its reply a header and out_len bytes. */
#define NX_FRAME_MAGIC 0x3146584eu /* "NXF1" */

struct nx_request {
    uint32_t magic;
    uint32_t op;
    uint64_t arg;
    uint32_t in_len;  /* <= NX_PAYLOAD_MAX */
    uint32_t out_cap; /* <= NX_PAYLOAD_MAX */
};

struct nx_reply {
    int64_t result;
    uint32_t out_len; /* <= out_cap, or with -NX_EMSGSIZE the bytes needed and no bytes follow */
    uint32_t reserved;
};

/* What a tender says of its own accord before it exits, as a request without a reply. in: struct nx_fault. */
#define NX_OP_FAULT 0xffff0000u

struct nx_fault {
    uint32_t kind; /* NX_FAULT_* */
    uint32_t reserved;
    uint64_t ip;      /* where the guest was; 0: not known */
    uint64_t address; /* what it touched; 0: not known */
};

enum {
    NX_FAULT_MEMORY = 1,   /* a bad pointer, or the stack ran over */
    NX_FAULT_DOORBELL = 2, /* a store beside the doorbell, or a block that is not the guest's */
    NX_FAULT_EXIT = 3,     /* the hypervisor gave up: `ip` is its reason */
};

/* Modules in one file, for loaders that pass one (QEMU's -initrd): this header, `count` entries, then the bytes.
 * Offsets are from the archive's start; modules begin on multiples of 4096. */
#define NX_ARCHIVE_MAGIC 0x3141584eu /* "NXA1" */

struct nx_archive {
    uint32_t magic;
    uint32_t count;
};

struct nx_archive_entry {
    char name[48]; /* NUL-terminated */
    uint64_t offset;
    uint64_t size;
};

#endif
