// Functions of vectors, by one thread. No function allocates; arrays need no alignment.
// `out` may be the same array as an input, but must not overlap it otherwise.
// exp is within a relative 1e-6 of the true value; sums are taken in the order of the instruction set.
#pragma once

#include <cstddef>

namespace nexus::engine {

/// out = x * weight / sqrt(mean(x^2) + epsilon)
void rms_norm(const float *x, const float *weight, float epsilon, size_t n, float *out) noexcept;

/// out = silu(gate) * up, silu(v) = v / (1 + e^-v)
void silu_multiply(const float *gate, const float *up, size_t n, float *out) noexcept;

/// out = max(gate, 0)^2 * up
void relu2_multiply(const float *gate, const float *up, size_t n, float *out) noexcept;

/// out = gelu(gate) * up, gelu(v) = v / 2 * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 v^3)))
void gelu_tanh_multiply(const float *gate, const float *up, size_t n, float *out) noexcept;

/// out += x
void add(const float *x, size_t n, float *out) noexcept;

/// x *= factor
void scale(float factor, size_t n, float *x) noexcept;

/// out += factor * x
void add_scaled(float factor, const float *x, size_t n, float *out) noexcept;

/// x = e^(x - max) / sum; -infinity gives 0. All of -infinity: all 0. n may be 0.
void softmax(float *x, size_t n) noexcept;

/// x = e^(x - max); returns the sum, and the max in `*greatest`. For softmax over several pieces.
float exp_sum(float *x, size_t n, float *greatest) noexcept;

/// The index of the greatest number, the first of equals; 0 for none. Not-a-numbers never win.
size_t argmax(const float *x, size_t n) noexcept;

float dot_f32(const float *a, const float *b, size_t n) noexcept;

} // namespace nexus::engine
