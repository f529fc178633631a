/* The same loops, compiled for AVX2 and FMA; called only where the machine has them. */
#include "kernels.inc"

const struct kernels kernels_avx2 = {"avx2", stretch, dot, add, softmax, pull};
