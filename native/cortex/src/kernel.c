/* Which kernels there are, and which of them this machine can run. */
#include "kernels.h"

#include "nexus_platform.h"

static const struct nx_kernel_functions scalar = {nx_dots_scalar, nx_best_scalar};
#if defined(__x86_64__)
static const struct nx_kernel_functions avx2 = {nx_dots_avx2, nx_best_avx2};
static const struct nx_kernel_functions avx512vnni = {nx_dots_avx512vnni, nx_best_avx512vnni};
#endif

const struct nx_kernel_functions *nx_kernel_functions(enum nx_kernel kernel)
{
#if defined(__x86_64__)
    struct nx_cpu_features cpu;
    nx_cpu_features(&cpu);
    if (kernel == NX_KERNEL_AVX2)
        return cpu.avx2 ? &avx2 : NULL;
    if (kernel == NX_KERNEL_AVX512VNNI)
        return cpu.avx2 && cpu.avx512f && cpu.avx512vnni ? &avx512vnni : NULL;
#endif
    return kernel == NX_KERNEL_SCALAR ? &scalar : NULL;
}

bool nx_kernel_usable(enum nx_kernel kernel)
{
    return nx_kernel_functions(kernel) != NULL;
}

enum nx_kernel nx_kernel_best(void)
{
    for (enum nx_kernel kernel = NX_KERNEL_AVX512VNNI; kernel > NX_KERNEL_SCALAR; kernel--)
        if (nx_kernel_usable(kernel))
            return kernel;
    return NX_KERNEL_SCALAR;
}
