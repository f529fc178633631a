/* What a guest is told at its start: struct nx_boot, the modules and the words, put behind its image.
 *
 * Order in memory: the boot pages (readable and writable: a guest cuts its words in place), one module after
 * the other from page to page (read-only), the heap up to the end. */
#ifndef NX_BOOT_H
#define NX_BOOT_H

#include "memory.h"
#include "options.h"

struct nx_module_file {
    const char *name;
    int fd;
    uint64_t size; /* bytes of the file */
};

/* Puts everything behind `at` (a page's start, behind all regions) and gives the rest to the heap. `ring` and
 * `doorbell` go into the boot structure, whose guest address is *boot. Returns 0, or -1. */
int nx_boot_place(struct nx_memory *memory, uint64_t at, const struct nx_module_file *modules,
                  unsigned module_count, char *const *words, unsigned word_count, uint32_t ring,
                  uint64_t doorbell, uint64_t *boot, struct nx_trouble *trouble);

#endif
