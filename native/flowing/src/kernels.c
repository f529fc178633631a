/* Which loops this machine can run. */
#include "parts.h"

#include "nexus_platform.h"

const struct kernels *kernels(void)
{
#if defined(__x86_64__)
    static const struct kernels *chosen; /* every thread would write the same */
    if (chosen == NULL) {
        struct nx_cpu_features cpu;
        nx_cpu_features(&cpu);
        chosen = cpu.avx2 && __builtin_cpu_supports("fma") ? &kernels_avx2 : &kernels_plain;
    }
    return chosen;
#else
    return &kernels_plain;
#endif
}
