// The plain definition of the vector functions and of quantising, and the table of the set.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dispatch.hpp"
#include "scalar_multiply.hpp"

namespace nexus::engine {
namespace {

void rms_norm(const float *x, const float *weight, float epsilon, size_t n, float *out) noexcept {
    float squares = 0;
    for (size_t i = 0; i < n; ++i) {
        squares += x[i] * x[i];
    }
    const float factor = 1.0F / std::sqrt(squares / static_cast<float>(n) + epsilon);
    for (size_t i = 0; i < n; ++i) {
        out[i] = x[i] * factor * weight[i];
    }
}

void silu_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    for (size_t i = 0; i < n; ++i) {
        out[i] = gate[i] / (1.0F + std::exp(-gate[i])) * up[i];
    }
}

void relu2_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    for (size_t i = 0; i < n; ++i) {
        const float positive = gate[i] > 0 ? gate[i] : (gate[i] <= 0 ? 0 : gate[i]);
        out[i] = positive * positive * up[i];
    }
}

void gelu_tanh_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    for (size_t i = 0; i < n; ++i) {
        const float g = gate[i];
        const float z = 1.59576912F * (g + 0.044715F * g * g * g);
        out[i] = g / (1.0F + std::exp(-z)) * up[i];
    }
}

void add_scaled(float factor, const float *x, size_t n, float *out) noexcept {
    for (size_t i = 0; i < n; ++i) {
        out[i] += factor * x[i];
    }
}

void scale(float factor, size_t n, float *x) noexcept {
    for (size_t i = 0; i < n; ++i) {
        x[i] *= factor;
    }
}

float exp_sum(float *x, size_t n, float *greatest) noexcept {
    float top = -std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < n; ++i) {
        top = x[i] > top ? x[i] : top;
    }
    *greatest = top;
    const float shift = std::isinf(top) && top < 0 ? 0 : top;
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
        x[i] = std::exp(x[i] - shift);
        sum += x[i];
    }
    return sum;
}

size_t argmax(const float *x, size_t n) noexcept {
    float top = -std::numeric_limits<float>::infinity();
    size_t best = n;
    for (size_t i = 0; i < n; ++i) {
        if (x[i] > top || (best == n && x[i] == top)) {
            top = x[i];
            best = i;
        }
    }
    return best == n ? 0 : best;
}

float dot(const float *a, const float *b, size_t n) noexcept {
    float sum = 0;
    for (size_t i = 0; i < n; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

// The greatest magnitude of some numbers, and whether all are finite.
float greatest_magnitude(const float *x, size_t n, bool &finite) {
    float greatest = 0;
    for (size_t i = 0; i < n; ++i) {
        finite = finite && std::isfinite(x[i]);
        greatest = std::fabs(x[i]) > greatest ? std::fabs(x[i]) : greatest;
    }
    return greatest;
}

int8_t code_of(float x, float inverse) {
    const float scaled = x * inverse;
    return scaled >= 127 ? int8_t{127} : scaled > -127 ? static_cast<int8_t>(std::lrint(scaled)) : int8_t{-127};
}

int32_t quantise(const float *x, size_t columns, bool per_token, int8_t *codes, size_t code_stride,
                 ActivationGroup *groups, size_t group_stride, float *token_scale) noexcept {
    constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
    float inverse = 0, step = 0;
    if (per_token) {
        bool finite = true;
        const float greatest = greatest_magnitude(x, columns, finite);
        inverse = 127.0F / std::max(greatest, 1e-5F);
        *token_scale = step = finite ? 1.0F / inverse : no_number;
    }
    int32_t total = 0;
    for (size_t i = 0; i < columns; i += column_group, codes += code_stride, groups += group_stride) {
        const size_t here = std::min(column_group, columns - i);
        if (!per_token) {
            bool finite = true;
            const float greatest = greatest_magnitude(x + i, here, finite);
            inverse = greatest > 1e-30F ? 127.0F / greatest : 0;
            step = finite ? greatest / 127.0F : no_number;
        }
        int32_t sums[2] = {0, 0};
        for (size_t column = 0; column < column_group; ++column) {
            codes[column] = column < here ? code_of(x[i + column], inverse) : int8_t{0};
            sums[column / 16] += codes[column];
        }
        *groups = {step, step * static_cast<float>(sums[0] + sums[1]), {-sums[0], -sums[1]}};
        total += sums[0] + sums[1];
    }
    return total;
}

} // namespace

const KernelSet scalar_kernels = {
    "scalar",
    for_each_format([]<Format format>() -> MultiplyKernel { return scalar_multiply<format>; }),
    quantise,
    rms_norm,
    silu_multiply,
    relu2_multiply,
    gelu_tanh_multiply,
    add_scaled,
    scale,
    exp_sum,
    argmax,
    dot,
};

} // namespace nexus::engine
