/* Which vector instructions this CPU and this kernel allow. */
#include "nexus_platform.h"

#if defined(__arm__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

void nx_cpu_features(struct nx_cpu_features *features)
{
    *features = (struct nx_cpu_features){0};
#if defined(__x86_64__) || defined(__i386__)
    /* The compiler's own probe asks XGETBV too: CPUID alone would claim registers that a kernel
     * or hypervisor does not save. */
    __builtin_cpu_init();
    features->sse4_2 = __builtin_cpu_supports("sse4.2") != 0;
    features->avx2 = __builtin_cpu_supports("avx2") != 0;
    features->avx512f = __builtin_cpu_supports("avx512f") != 0;
    features->avx512vnni = __builtin_cpu_supports("avx512vnni") != 0;
#elif defined(__aarch64__)
    features->neon = true; /* part of the base instruction set */
#elif defined(__arm__) && defined(__linux__)
    features->neon = (getauxval(AT_HWCAP) & HWCAP_NEON) != 0;
#endif
}
