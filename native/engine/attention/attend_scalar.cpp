// Attention for every machine, and the definition of the integer product. The build gives this file
// -ffp-contract=off.
#include "kernel_loops.hpp"

namespace nexus::engine {
namespace {

struct Scalar {
    static void multiply(const TileProduct &product) {
        const size_t depth = product.depth;
        for (size_t row = 0; row < product.rows; ++row) {
            const int8_t *weights = product.weights + row * product.digits * depth;
            for (size_t column = 0; column < product.width; column += 16) {
                int32_t sums[16] = {};
                for (size_t k = 0; k < depth; ++k) {
                    const int weight = product.digits == 2 ? weights[k] * 256 + weights[depth + k] : weights[k];
                    const uint8_t *codes = product.tile + column * depth + k / 4 * 64 + k % 4;
                    for (size_t lane = 0; lane < 16; ++lane) {
                        sums[lane] += weight * (static_cast<int>(codes[lane * 4]) - 128);
                    }
                }
                for (size_t lane = 0; lane < 16; ++lane) {
                    product.out[row * product.stride + column + lane] = sums[lane];
                }
            }
        }
    }
};

constexpr AttendKernels kernels = {"scalar", attend_page<Scalar>, attend_tail, Scalar::multiply, merge_partials,
                                   softmax_into};

} // namespace

const AttendKernels *scalar_attend_kernels() { return &kernels; }

} // namespace nexus::engine
