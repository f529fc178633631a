/* A guest, from files to memory that can be entered. Opens the files that the options name; closes none (what
 * runs a guest closes all but a few descriptors anyway). */
#ifndef NX_LOAD_H
#define NX_LOAD_H

#include "memory.h"
#include "options.h"

struct nx_guest {
    struct nx_memory memory;
    uint64_t entry; /* guest addresses */
    uint64_t boot;
    uint64_t stack; /* where rsp begins: as if called, with a return address of 0 */
};

/* Loads for a tender that is `native` or not, whose guests ring by `ring` at `doorbell`. Returns 0, or -1. */
int nx_load(const struct nx_options *options, bool native, uint32_t ring, uint64_t doorbell,
            struct nx_guest *guest, struct nx_trouble *trouble);

#endif
