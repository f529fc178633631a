/* One virtual machine with one processor, by /dev/kvm. Knows registers, not guests.
 *
 * The processor starts in 64-bit mode, in ring 0 or 3, without interrupts, descriptor tables or a handler for
 * any exception: the first one ends the machine. */
#ifndef NX_KVM_MACHINE_H
#define NX_KVM_MACHINE_H

#include "report.h"

#include <linux/kvm.h>
#include <stdbool.h>

struct nx_machine {
    int api; /* KVM_GET_API_VERSION */
    int vcpu;
    struct kvm_run *run;
};

/* A machine whose memory from physical address 0 on is `size` bytes at `host`. Returns 0, or -1, with
 * "/dev/kvm" as trouble->value where that could not be opened. Leaves descriptors open beside `vcpu`, for
 * whoever closes all others. */
int nx_machine_make(struct nx_machine *machine, uintptr_t host, uint64_t size, struct nx_trouble *trouble);

struct nx_start {
    unsigned cpl; /* 0 or 3 */
    uint64_t tables, ip, stack, argument;
};

/* Sets all registers. Returns 0, or -1. */
int nx_machine_set(const struct nx_machine *machine, const struct nx_start *start,
                   struct nx_trouble *trouble);

/* Runs until the machine needs somebody. Returns the kernel's reason (KVM_EXIT_*), or a negative error
 * number. */
long nx_machine_run(const struct nx_machine *machine);

/* Where the machine stopped, and the address that last could not be translated; 0 where the machine has
 * forgotten. */
void nx_machine_where(const struct nx_machine *machine, uint64_t *ip, uint64_t *address);

#endif
