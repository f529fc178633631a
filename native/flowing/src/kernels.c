/* Which loops this machine can run. */
#include "parts.h"

#if defined(__x86_64__) && !defined(NX_FLOWING_PLAIN)
#include "nexus_platform.h"

#include <stdatomic.h>

const struct kernels *kernels(void)
{
    static const struct kernels *_Atomic known; /* every thread would write the same */
    const struct kernels *chosen = atomic_load_explicit(&known, memory_order_relaxed);
    if (chosen == NULL) {
        struct nx_cpu_features cpu;
        nx_cpu_features(&cpu);
        chosen = cpu.avx2 && __builtin_cpu_supports("fma") ? &kernels_avx2 : &kernels_plain;
        atomic_store_explicit(&known, chosen, memory_order_relaxed);
    }
    return chosen;
}
#else
const struct kernels *kernels(void)
{
    return &kernels_plain;
}
#endif
