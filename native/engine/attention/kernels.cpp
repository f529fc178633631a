#include "kernels.hpp"

#include "nexus_platform.h"

namespace nexus::engine {

const AttendKernels &attend_kernels() {
    static const AttendKernels *const chosen = [] {
        struct nx_cpu_features features {};
        nx_cpu_features(&features);
        if (features.avx512f && features.avx512vnni && avx512_attend_kernels() != nullptr) {
            return avx512_attend_kernels();
        }
        if (features.avx2 && avx2_attend_kernels() != nullptr) {
            return avx2_attend_kernels();
        }
        return scalar_attend_kernels();
    }();
    return *chosen;
}

} // namespace nexus::engine
