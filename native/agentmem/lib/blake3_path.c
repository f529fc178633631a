/* Which path of BLAKE3 this process takes: the widest that processor and system allow, or the one asked for.
 * Every path gives the same bytes, so a change while others hash is harmless. */
#include "blake3.h"
#include "blake3_paths.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static const struct blake3_path *_Atomic chosen;

static bool able(const struct blake3_path *path)
{
#if defined(__x86_64__)
    /* The compiler's own probe asks XGETBV too: a system may not save the wide registers. */
    __builtin_cpu_init();
    if (path == &blake3_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw");
    if (path == &blake3_avx2)
        return __builtin_cpu_supports("avx2");
#endif
    return path == &blake3_plain;
}

static const struct blake3_path *const paths[] = {
#if defined(__x86_64__)
    &blake3_avx512,
    &blake3_avx2,
#endif
    &blake3_plain,
};

const struct blake3_path *blake3_path(void)
{
    const struct blake3_path *path = atomic_load_explicit(&chosen, memory_order_relaxed);
    for (size_t i = 0; path == NULL; i++)
        if (able(paths[i]))
            atomic_store_explicit(&chosen, path = paths[i], memory_order_relaxed);
    return path;
}

const char *am_blake3_path(void)
{
    return blake3_path()->name;
}

int am_blake3_use(const char *name)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(paths[i]->name, name) == 0 && able(paths[i])) {
            atomic_store_explicit(&chosen, paths[i], memory_order_relaxed);
            return 0;
        }
    return -1;
}
