/* The command line of a tender:
 *
 *   [--memory BYTES] [--cpu SECONDS] [--cpl 0|3] [--module NAME=FILE]... IMAGE [WORD...]
 *   --probe
 *
 * Knows nothing of files. Invariant: options that were taken are within the limits below. */
#ifndef NX_OPTIONS_H
#define NX_OPTIONS_H

#include "report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NX_MODULES_MAX 32u
#define NX_MODULE_NAME 48u /* bytes of a module's name, its NUL included */
#define NX_WORDS_MAX 63u
#define NX_WORDS_SIZE 65536u /* bytes of all words together, a space or NUL after each */
#define NX_MEMORY_STEP (2u << 20)

struct nx_module_option {
    char name[NX_MODULE_NAME];
    const char *file;
};

struct nx_options {
    bool probe;
    unsigned cpl;              /* 0 or 3; 3 where not given */
    uint64_t memory;           /* bytes, a multiple of NX_MEMORY_STEP; 64 MiB where not given */
    uint64_t cpu_microseconds; /* 0: no limit */
    const char *image;
    unsigned module_count, word_count;
    struct nx_module_option modules[NX_MODULES_MAX];
    char **words; /* of argv */
};

/* Reads argv[1..]. Returns 0, or -1 with `trouble` set; `has_cpl` says whether --cpl is known. Words may hold
 * no space and not be empty: the guest gets them as one line. */
int nx_options_parse(int argc, char **argv, bool has_cpl, struct nx_options *options,
                     struct nx_trouble *trouble);

#endif
