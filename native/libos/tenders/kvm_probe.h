/* What KVM is worth on this machine: whether a machine runs at all, and how fast each ring is.
 *
 * Some KVMs (PVM, in a machine without hardware virtualization) run ring 3 on the processor and emulate ring
 * 0, thousands of times slower. The same loop in both tells. */
#ifndef NX_KVM_PROBE_H
#define NX_KVM_PROBE_H

#include "kvm_machine.h"

/* Writes one line of JSON to standard output and returns the exit status, 0. `confine` is what a real run
 * does before its guest begins; it is tried last. */
int nx_kvm_probe(int (*confine)(struct nx_machine *, uint64_t, struct nx_trouble *));

#endif
