/* Read-only files that came with the guest. */
#include <string.h>

#include "core.h"

static const struct nx_module *module(size_t index)
{
    return (const struct nx_module *)(uintptr_t)nx_boot->modules + index;
}

const char *nx_module_name(size_t index)
{
    return index < nx_boot->module_count ? (const char *)(uintptr_t)module(index)->name : NULL;
}

const void *nx_module(const char *name, size_t *size)
{
    for (size_t i = 0; i < nx_boot->module_count; i++)
        if (strcmp(nx_module_name(i), name) == 0) {
            *size = module(i)->size;
            return (const void *)(uintptr_t)module(i)->address;
        }
    return NULL;
}
