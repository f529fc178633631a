/* The loops for any machine. */
#include "kernels.inc"

const struct kernels kernels_plain = {"plain", stretch, dot, add, softmax, pull};
