// Vector functions of every instruction set against a definition in double, at every length up to a few
// registers, on arrays allocated to the byte.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <vector>

#include "check.hpp"
#include "engine/kernels/dispatch.hpp"
#include "engine/kernels/vector.hpp"

using namespace nexus::engine;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
uint64_t state = 0x9e3779b97f4a7c15U; // the same numbers in every run

float random_float(float bound) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (static_cast<float>(state >> 40U) / 8388608.0F - 1.0F) * bound;
}

std::vector<float> numbers(size_t n, float bound) {
    std::vector<float> out(n);
    for (float &x : out) {
        x = random_float(bound);
    }
    return out;
}

void check_close(const char *what, size_t n, size_t i, float got, double wanted, double magnitude, double relative) {
    CHECK(std::fabs(static_cast<double>(got) - wanted) <= relative * magnitude + 1e-37,
          "%s %s n %zu at %zu: %.9g, not %.9g", kernels().name, what, n, i, static_cast<double>(got), wanted);
}

void check_each(const char *what, const std::vector<float> &got, double relative,
                const std::function<double(size_t)> &wanted) {
    for (size_t i = 0; i < got.size(); ++i) {
        const double value = wanted(i);
        check_close(what, got.size(), i, got[i], value, std::fabs(value), relative);
    }
}

void test_elements(size_t n) {
    const std::vector<float> gate = numbers(n, 12), up = numbers(n, 3);
    std::vector<float> out(n);
    silu_multiply(gate.data(), up.data(), n, out.data());
    check_each("silu", out, 2e-6, [&](size_t i) {
        const double g = gate[i], u = up[i];
        return g / (1 + std::exp(-g)) * u;
    });
    relu2_multiply(gate.data(), up.data(), n, out.data());
    check_each("relu2", out, 5e-7, [&](size_t i) {
        const double g = gate[i] > 0 ? gate[i] : 0, u = up[i];
        return g * g * u;
    });
    out = gate; // in place
    gelu_tanh_multiply(out.data(), up.data(), n, out.data());
    for (size_t i = 0; i < n; ++i) {
        const double g = gate[i], u = up[i], z = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
        // Where the logistic is tiny its argument's rounding counts: relative to the argument.
        const double wanted = g / (1 + std::exp(-2 * z)) * u;
        check_close("gelu", n, i, out[i], wanted, std::fabs(wanted) * (1 + std::fabs(z)), 2e-6);
    }
    out = gate;
    add(up.data(), n, out.data());
    check_each("add", out, 1e-7, [&](size_t i) { return static_cast<double>(gate[i] + up[i]); });
    out = gate;
    add_scaled(0.75F, up.data(), n, out.data());
    for (size_t i = 0; i < n; ++i) {
        const double a = gate[i], b = 0.75 * static_cast<double>(up[i]);
        check_close("add_scaled", n, i, out[i], a + b, std::fabs(a) + std::fabs(b), 2e-7);
    }
    out = gate;
    scale(-0.3F, n, out.data());
    check_each("scale", out, 1e-7, [&](size_t i) { return static_cast<double>(gate[i] * -0.3F); });
}

void test_sums(size_t n) {
    const std::vector<float> a = numbers(n, 2), b = numbers(n, 2);
    double sum = 0, magnitude = 0, squares = 0;
    for (size_t i = 0; i < n; ++i) {
        const double x = a[i], y = b[i];
        sum += x * y;
        magnitude += std::fabs(x * y);
        squares += x * x;
    }
    check_close("dot", n, 0, dot_f32(a.data(), b.data(), n), sum, magnitude, 1e-6);
    if (n == 0) {
        return;
    }
    std::vector<float> out = a;
    rms_norm(out.data(), b.data(), 1e-5F, n, out.data());
    const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
    check_each("rms_norm", out, 2e-6, [&](size_t i) {
        const double x = a[i], y = b[i];
        return x * factor * y;
    });
}

void test_softmax(size_t n) {
    std::vector<float> x = numbers(n, 40);
    for (size_t i = 0; i < n; i += 5) {
        x[i] = i == 0 && n == 1 ? 3.0F : -infinity;
    }
    if (n > 1) {
        x[1] = 20;
    }
    double top = -HUGE_VAL, sum = 0;
    for (const float v : x) {
        top = std::fmax(top, static_cast<double>(v));
    }
    for (const float v : x) {
        sum += std::exp(static_cast<double>(v) - top);
    }
    std::vector<float> out = x;
    softmax(out.data(), n);
    check_each("softmax", out, 1e-5, [&](size_t i) { return std::exp(static_cast<double>(x[i]) - top) / sum; });
    out = x;
    float greatest = 0;
    const float total = exp_sum(out.data(), n, &greatest);
    if (n > 0) {
        CHECK(static_cast<double>(greatest) == top, "%s n %zu: %g", kernels().name, n, static_cast<double>(greatest));
        check_close("exp_sum", n, 0, total, sum, sum, 2e-6);
    }
    std::vector<float> none(n, -infinity);
    softmax(none.data(), n);
    for (const float v : none) {
        CHECK(v == 0, "%s: %g", kernels().name, static_cast<double>(v));
    }
}

void test_argmax(size_t n) {
    std::vector<float> x = numbers(n, 5);
    for (size_t best = 0; best < n; ++best) {
        std::vector<float> y = x;
        y[best] = 9;
        if (best + 2 < n) {
            y[best + 2] = 9; // the first of equals wins
        }
        if (best > 0) {
            y[best - 1] = std::numeric_limits<float>::quiet_NaN();
        }
        CHECK(argmax(y.data(), n) == best, "%s n %zu: %zu, not %zu", kernels().name, n, argmax(y.data(), n), best);
    }
    const std::vector<float> low(n, -infinity), equal(n, -0.0F);
    CHECK(argmax(low.data(), n) == 0 && argmax(equal.data(), n) == 0, "%s n %zu", kernels().name, n);
}

// e^x over the whole range, by way of exp_sum with a maximum of 0.
void test_exponential() {
    std::vector<float> x{0};
    for (float v = 0; v > -104; v -= 0.00731F) {
        x.push_back(v);
    }
    std::vector<float> out = x;
    float greatest = 1;
    exp_sum(out.data(), out.size(), &greatest);
    CHECK(greatest == 0, "%g", static_cast<double>(greatest));
    for (size_t i = 0; i < x.size(); ++i) {
        const double wanted = std::exp(static_cast<double>(x[i]));
        const double step = std::fmax(wanted * 1e-6, 2e-45); // two steps of the subnormal numbers
        CHECK(std::fabs(static_cast<double>(out[i]) - wanted) <= step, "%s e^%g: %.9g, not %.9g", kernels().name,
              static_cast<double>(x[i]), static_cast<double>(out[i]), wanted);
    }
    std::vector<float> ends{0, -200, -infinity, -1e30F};
    exp_sum(ends.data(), ends.size(), &greatest);
    CHECK(ends[0] == 1 && ends[1] == 0 && ends[2] == 0 && ends[3] == 0, "%s", kernels().name);
    std::vector<float> gate{-100, -1000, 100, 1000}, up(4, 1), gated(4);
    silu_multiply(gate.data(), up.data(), 4, gated.data());
    CHECK(std::fabs(gated[0]) < 1e-30F && std::fabs(gated[1]) < 1e-30F && gated[2] == 100 && gated[3] == 1000, "%s",
          kernels().name);
}

} // namespace

int main() {
    for (const InstructionSet set :
         {InstructionSet::scalar, InstructionSet::avx2, InstructionSet::avxvnni, InstructionSet::avx512}) {
        if (!use_kernels(set)) {
            continue;
        }
        for (size_t n = 0; n < 100; ++n) {
            test_elements(n);
            test_sums(n);
            test_softmax(n);
            test_argmax(n);
        }
        test_elements(5000);
        test_sums(5000);
        test_softmax(5000);
        test_exponential();
    }
    if (failures != 0) {
        std::fprintf(stderr, "%d checks failed\n", failures);
    }
    return failures != 0;
}
