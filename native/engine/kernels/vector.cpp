#include "vector.hpp"

#include <limits>

#include "dispatch.hpp"

namespace nexus::engine {

void rms_norm(const float *x, const float *weight, float epsilon, size_t n, float *out) noexcept {
    kernels().rms_norm(x, weight, epsilon, n, out);
}

void silu_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    kernels().silu_multiply(gate, up, n, out);
}

void relu2_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    kernels().relu2_multiply(gate, up, n, out);
}

void gelu_tanh_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    kernels().gelu_tanh_multiply(gate, up, n, out);
}

void add(const float *x, size_t n, float *out) noexcept { kernels().add_scaled(1, x, n, out); }

void add_scaled(float factor, const float *x, size_t n, float *out) noexcept {
    kernels().add_scaled(factor, x, n, out);
}

void scale(float factor, size_t n, float *x) noexcept { kernels().scale(factor, n, x); }

float exp_sum(float *x, size_t n, float *greatest) noexcept { return kernels().exp_sum(x, n, greatest); }

void softmax(float *x, size_t n) noexcept {
    float greatest = 0;
    const float sum = exp_sum(x, n, &greatest);
    scale(sum > 0 ? 1 / sum : 0, n, x);
}

size_t argmax(const float *x, size_t n) noexcept { return kernels().argmax(x, n); }

float dot_f32(const float *a, const float *b, size_t n) noexcept { return kernels().dot(a, b, n); }

} // namespace nexus::engine
