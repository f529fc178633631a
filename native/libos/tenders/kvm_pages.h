/* The page tables that a KVM guest runs under: its regions, each with what it allows, and the doorbell's
 * page.
 *
 * Virtual addresses are physical ones. The tables lie below NX_BASE, where no virtual address leads: a guest
 * at ring 3 can neither see nor change them. Pages are 2 MiB where a region has them whole, else 4 KiB. */
#ifndef NX_KVM_PAGES_H
#define NX_KVM_PAGES_H

#include "memory.h"

#define NX_TABLES 0x1000u /* guest-physical: the first table, and what CR3 holds */

/* Writes the tables into the guest's memory (not native). `user`: for a guest at ring 3. Returns 0, or -1. */
int nx_kvm_pages(const struct nx_memory *memory, bool user, struct nx_trouble *trouble);

#endif
