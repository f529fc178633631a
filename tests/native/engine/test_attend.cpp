// The kernels of every instruction set give the same bits as the scalar ones, and these are right by definition.
#include "attention_case.hpp"

#include <cstring>

#include "engine/attention/kernels.hpp"
#include "nexus_platform.h"

using namespace attention_case;

namespace {

std::vector<const AttendKernels *> others() {
    struct nx_cpu_features features {};
    nx_cpu_features(&features);
    std::vector<const AttendKernels *> found;
    if (features.avx2 && avx2_attend_kernels() != nullptr) {
        found.push_back(avx2_attend_kernels());
    }
    if (features.avx512f && features.avx512vnni && avx512_attend_kernels() != nullptr) {
        found.push_back(avx512_attend_kernels());
    }
    for (const AttendKernels *kernels : found) {
        std::fprintf(stderr, "beside scalar: %s\n", kernels->name);
    }
    return found;
}

/// Where the first byte is aligned to a cache line and the last one is the end of the allocation.
template <class T> struct Exact {
    explicit Exact(size_t count) : values(static_cast<T *>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64))) {}
    ~Exact() { std::free(values); }
    Exact(const Exact &) = delete;
    Exact &operator=(const Exact &) = delete;
    T *values;
};

void products_equal_the_definition(const std::vector<const AttendKernels *> &tested) {
    Random random(1);
    for (int round = 0; round < 200; ++round) {
        const size_t digits = 1 + random.below(2);
        const size_t depth = digits == 2 ? 32 * (1 + random.below(8)) : 64 * (1 + random.below(8));
        const size_t width = 16 * (1 + random.below(16));
        const size_t rows = 1 + random.below(15);
        const bool wild = round % 4 == 0; // one-sided and at the ends: what would overflow narrow sums
        Exact<uint8_t> tile(width * depth), next(width * depth);
        std::vector<int8_t> weights(rows * digits * depth);
        std::vector<int32_t> sums(rows), expected(rows * width), got(rows * width);
        for (size_t at = 0; at < width * depth; ++at) {
            tile.values[at] = static_cast<uint8_t>(wild ? 255 : 1 + random.below(255));
        }
        for (size_t at = 0; at < weights.size(); ++at) {
            const bool low = digits == 2 && at / depth % 2 == 1;
            weights[at] = static_cast<int8_t>(wild ? (low ? 0 : 127) : static_cast<int>(random.below(255)) - 127);
        }
        for (size_t row = 0; row < rows; ++row) {
            for (size_t k = 0; k < depth; ++k) {
                const int8_t *at = weights.data() + row * digits * depth + k;
                sums[row] += digits == 2 ? at[0] * 256 + at[depth] : at[0];
            }
            for (size_t column = 0; column < width; ++column) {
                int64_t sum = 0;
                for (size_t k = 0; k < depth; ++k) {
                    const int8_t *at = weights.data() + row * digits * depth + k;
                    const int weight = digits == 2 ? at[0] * 256 + at[depth] : at[0];
                    sum += int64_t{weight} *
                           (tile.values[column / 16 * 16 * depth + k / 4 * 64 + column % 16 * 4 + k % 4] - 128);
                }
                CHECK(sum == static_cast<int32_t>(sum));
                expected[row * width + column] = static_cast<int32_t>(sum);
            }
        }
        const auto check = [&](const AttendKernels &kernels) {
            std::fill(got.begin(), got.end(), -1);
            kernels.multiply({rows, digits, weights.data(), sums.data(), tile.values,
                              round % 3 == 0 ? tile.values : next.values, depth, width, got.data(), width});
            CHECK(got == expected);
        };
        check(*scalar_attend_kernels());
        for (const AttendKernels *kernels : tested) {
            check(*kernels);
        }
    }
}

struct Sums {
    Sums(size_t rows, size_t dim) : most(rows, nothing_seen), sum(rows), out(rows * dim) {}
    Partial partial() { return {most.data(), sum.data(), out.data()}; }
    bool operator==(const Sums &other) const {
        return std::memcmp(most.data(), other.most.data(), most.size() * sizeof(float)) == 0 &&
               std::memcmp(sum.data(), other.sum.data(), sum.size() * sizeof(float)) == 0 &&
               std::memcmp(out.data(), other.out.data(), out.size() * sizeof(float)) == 0;
    }
    std::vector<float> most, sum, out;
};

void all_kernels_give_the_same_bits(const std::vector<const AttendKernels *> &tested) {
    Random random(2);
    for (int round = 0; round < 40; ++round) {
        const auto dim = static_cast<uint32_t>(32 * (1 + random.below(8)));
        const KvShape shape = {1, 2, 2, dim};
        Rope rope;
        rope.dims = random.below(3) == 0 ? 32 : 0;
        RopeTable table(rope, dim);
        table.reserve_blocks(5000);
        const PageLayout layout(shape);
        Exact<std::byte> page(layout.bytes());
        std::memset(page.values, 0, layout.bytes());
        const float size = round % 5 == 0 ? 300.0F : 1.0F; // logits far apart
        auto k = random.normals(page_tokens * shape.kv_width());
        const auto v = random.normals(page_tokens * shape.kv_width());
        for (float &value : k) {
            value *= size;
        }
        layout.write(page.values, k.data(), v.data());
        const size_t rows = 1 + random.below(50);
        auto queries = random.normals(rows * dim);
        if (round % 7 == 0) {
            std::fill_n(queries.begin(), dim, 0.0F);
        }
        std::vector<int16_t> first(rows), last(rows);
        for (size_t row = 0; row < rows; ++row) {
            first[row] = static_cast<int16_t>(random.below(2) ? 0 : random.below(129));
            last[row] = static_cast<int16_t>(random.below(2) ? 128 : random.below(129));
        }
        const auto run = [&](const AttendKernels &kernels) {
            Sums sums(rows, dim), more(rows, dim);
            AttendTask task = {rows, dim, table.pairs(), queries.data(), table.by_blocks(4000), first.data(), last.data(),
                               sums.partial()};
            kernels.page(task, layout.head(page.values, 1), layout.head(page.values, 0));
            kernels.tail(task, {k.data(), v.data(), shape.kv_width()});
            task.turn = table.by_blocks(-3);
            task.partial = more.partial();
            kernels.page(task, layout.head(page.values, 0), layout.head(page.values, 0));
            kernels.merge(rows, dim, sums.partial(), more.partial());
            std::vector<int32_t> scores;
            std::vector<float> mass(96, 0.5F);
            for (int32_t at = 0; at < 96; ++at) {
                scores.push_back(at % 11 == 0 ? INT32_MIN : at * 7919 % 4001 - 2000);
            }
            kernels.add_softmax(scores.data(), 96, 0.003F, 0.25F, mass.data());
            sums.out.insert(sums.out.end(), mass.begin(), mass.end());
            return sums;
        };
        const Sums expected = run(*scalar_attend_kernels());
        for (const AttendKernels *kernels : tested) {
            CHECK(run(*kernels) == expected);
        }
        for (size_t row = 0; row < rows; ++row) {
            CHECK((expected.sum[row] > 0) == (first[row] < last[row]));
        }
    }
}

/// One page, one after the other or each by itself and merged: the same bits.
void merging_equals_going_on() {
    Random random(3);
    constexpr size_t rows = 6;
    constexpr size_t dim = 64;
    const KvShape shape = {1, 1, rows, dim};
    RopeTable table(Rope{}, dim);
    table.reserve_blocks(10);
    const PageLayout layout(shape);
    const auto queries = random.normals(rows * dim);
    const std::vector<int16_t> first(rows, 0), last(rows, 128);
    const AttendKernels &kernels = attend_kernels();
    Sums on(rows, dim), merged(rows, dim);
    for (int64_t back = 9; back >= 0; --back) {
        Exact<std::byte> page(layout.bytes());
        layout.write(page.values, random.normals(page_tokens * dim).data(), random.normals(page_tokens * dim).data());
        AttendTask task = {rows, dim, table.pairs(), queries.data(), table.by_blocks(back), first.data(), last.data(),
                           on.partial()};
        kernels.page(task, layout.head(page.values, 0), layout.head(page.values, 0));
        Sums alone(rows, dim);
        task.partial = alone.partial();
        kernels.page(task, layout.head(page.values, 0), layout.head(page.values, 0));
        kernels.merge(rows, dim, merged.partial(), alone.partial());
        CHECK(on == merged);
    }
}

/// Shares of a softmax with some left out sum to the factor.
void shares_are_a_softmax() {
    std::vector<int32_t> scores(32, INT32_MIN);
    std::vector<float> mass(32, 0.0F);
    scores[3] = 1000;
    scores[17] = 0;
    attend_kernels().add_softmax(scores.data(), 32, 0.001F, 2.0F, mass.data());
    const double e = std::exp(1.0);
    CHECK(std::fabs(mass[3] - 2 * e / (e + 1)) < 1e-6 && std::fabs(mass[17] - 2 / (e + 1)) < 1e-6);
    CHECK(mass[0] == 0 && mass[31] == 0);
}

} // namespace

int main() {
    const auto tested = others();
    products_equal_the_definition(tested);
    all_kernels_give_the_same_bits(tested);
    merging_equals_going_on();
    shares_are_a_softmax();
    return failures > 0 ? 1 : 0;
}
