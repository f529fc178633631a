/* Runs a fuzz target on files that a fuzzer has left, by their names: what a failure is looked at with. */
#ifndef AM_FUZZ_FILES_H
#define AM_FUZZ_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The arguments of main; 0, or 1 with a line on stderr. */
static inline int fuzz_files(int count, char **names)
{
    static uint8_t bytes[1 << 20];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(names[i], "rb");
        if (!file) {
            fprintf(stderr, "%s cannot be opened\n", names[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
        fclose(file);
    }
    return 0;
}

#endif
