// The body of every kernel file: included by attend_scalar.cpp, attend_avx2.cpp and attend_avx512.cpp, each
// compiled for its instruction set with -ffp-contract=off. They pass their integer product as `Tile`.
//
// Everything is in an unnamed namespace: a function compiled for AVX-512 must never be taken for the one of
// a plain machine. For the same reason nothing of the standard library with a body is used.
#pragma once

#include "kernels.hpp"

#pragma GCC diagnostic ignored "-Wpsabi" // vectors never cross the border of a file

namespace nexus::engine {
namespace {

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Bytes = int8_t __attribute__((vector_size(16)));
using Halves = uint16_t __attribute__((vector_size(32)));

constexpr size_t lanes = 16;
constexpr size_t rows_at_once = 24;
constexpr float whole = 12582912.0F; // 1.5 * 2^23: adding it rounds to the nearest whole number
constexpr float largest_weight = 32512.0F; // 127 * 256: both digits stay within int8

template <class Vector, class Element> [[gnu::always_inline]] inline Vector load(const Element *from) {
    Vector value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

template <class Vector, class Element> [[gnu::always_inline]] inline void store(Element *to, const Vector &value) {
    __builtin_memcpy(to, &value, sizeof value);
}

[[gnu::always_inline]] inline Floats spread(float value) { return Floats{} + value; }

[[gnu::always_inline]] inline Floats greater(const Floats &a, const Floats &b) { return a > b ? a : b; }

[[gnu::always_inline]] inline Floats magnitude(const Floats &a) {
    return reinterpret_cast<Floats>(reinterpret_cast<Ints>(a) & 0x7fffffff);
}

[[gnu::always_inline]] inline float greatest(const Floats &all) {
    Floats a = greater(all, __builtin_shuffle(all, Ints{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7}));
    a = greater(a, __builtin_shuffle(a, Ints{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11}));
    a = greater(a, __builtin_shuffle(a, Ints{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13}));
    return a[0] > a[1] ? a[0] : a[1];
}

template <class Vector> [[gnu::always_inline]] inline auto total(const Vector &all) {
    Vector a = all + __builtin_shuffle(all, Ints{8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7});
    a += __builtin_shuffle(a, Ints{4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11});
    a += __builtin_shuffle(a, Ints{2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13});
    return a[0] + a[1];
}

/// The halves are scales: positive and finite.
[[gnu::always_inline]] inline Floats scales(const uint16_t *from) {
    return reinterpret_cast<Floats>(__builtin_convertvector(load<Halves>(from), Ints) << 13) * 0x1p112F;
}

/// e^x for x <= 0, to 2e-7 of the value; exactly 1 for 0, and 0 below -87.
[[gnu::always_inline]] inline Floats exponential(const Floats &x) {
    const Floats steps = (x * 1.44269504088896341F + whole) - whole;
    const Floats rest = (x - steps * 0.693359375F) - steps * -2.12194440e-4F;
    Floats sum = spread(1.9875691500e-4F);
    sum = sum * rest + 1.3981999507e-3F;
    sum = sum * rest + 8.3334519073e-3F;
    sum = sum * rest + 4.1665795894e-2F;
    sum = sum * rest + 1.6666665459e-1F;
    sum = sum * rest + 5.0000001201e-1F;
    sum = (sum * rest * rest + rest) + 1.0F;
    const Floats low = reinterpret_cast<Floats>(x < -87.0F ? Ints{} : Ints{} - 1);
    const Ints power = __builtin_convertvector(x < -87.0F ? Floats{} : steps, Ints);
    const Ints bits = reinterpret_cast<Ints>(sum) + (power << 23);
    return reinterpret_cast<Floats>(bits & reinterpret_cast<Ints>(low));
}

/// `count` floats, none larger than `most`, as two digits each; returns what one unit is worth.
[[gnu::always_inline]] inline float to_digits(const float *row, size_t count, float most, int8_t *digits,
                                              int32_t *sum) {
    const float factor = most > 1e-30F ? largest_weight / most : 0.0F;
    Ints sums{};
    for (size_t at = 0; at < count; at += lanes) {
        const Floats rounded = (load<Floats>(row + at) * factor + whole) - whole;
        const Ints value = __builtin_convertvector(rounded, Ints);
        const Ints low = (value << 24) >> 24;
        const Ints high = (value - low) >> 8;
        store(digits + at, __builtin_convertvector(high, Bytes));
        store(digits + count + at, __builtin_convertvector(low, Bytes));
        sums += value;
    }
    *sum = total(sums);
    return most > 1e-30F ? most / largest_weight : 0.0F;
}

[[gnu::always_inline]] inline void turn_row(const AttendTask &task, const float *row, float *out) {
    for (size_t pair = 0; pair < task.pairs; pair += lanes) {
        const Floats first = load<Floats>(row + pair);
        const Floats second = load<Floats>(row + task.pairs + pair);
        const Floats cosine = load<Floats>(task.turn.cosine + pair);
        const Floats sine = load<Floats>(task.turn.sine + pair);
        store(out + pair, first * cosine - second * sine);
        store(out + task.pairs + pair, second * cosine + first * sine);
    }
    for (size_t at = 2 * task.pairs; at < task.head_dim; at += lanes) {
        store(out + at, load<Floats>(row + at));
    }
}

/// Logits of the row (those out of sight replaced) become weights; returns the largest logit.
[[gnu::always_inline]] inline float weigh(float *logits, int first, int last, float *sum) {
    const Ints index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Floats most = spread(nothing_seen);
    if (first > 0 || last < static_cast<int>(page_tokens)) {
        for (size_t at = 0; at < page_tokens; at += lanes) {
            const Ints token = index + static_cast<int>(at);
            const Ints seen = (token >= first) & (token < last);
            store(logits + at, seen ? load<Floats>(logits + at) : spread(nothing_seen));
        }
    }
    for (size_t at = 0; at < page_tokens; at += lanes) {
        most = greater(most, load<Floats>(logits + at));
    }
    const float largest = greatest(most);
    Floats sums{};
    for (size_t at = 0; at < page_tokens; at += lanes) {
        const Floats weight = exponential(load<Floats>(logits + at) - largest);
        store(logits + at, weight);
        sums += weight;
    }
    *sum = total(sums);
    return largest;
}

/// What the old and the new sums are multiplied with, so that both are below the larger logit.
struct Factors {
    float old_part;
    float new_part;
};

[[gnu::always_inline]] inline Factors join(float *most, float *sum, float new_most, float new_sum) {
    const float larger = *most > new_most ? *most : new_most;
    Floats difference{};
    difference[0] = *most - larger;
    difference[1] = new_most - larger;
    difference = exponential(difference);
    *most = larger;
    *sum = *sum * difference[0] + new_sum * difference[1];
    return {difference[0], difference[1]};
}

template <class Tile> void attend_page(const AttendTask &task, const PageView &page, const PageView &next) {
    const size_t dim = task.head_dim;
    alignas(64) float row[most_head_dim];
    alignas(64) float logits[page_tokens];
    alignas(64) int8_t digits[rows_at_once * 2 * most_head_dim];
    alignas(64) int32_t products[rows_at_once * most_head_dim];
    alignas(64) int32_t summed[rows_at_once * most_head_dim];
    int32_t sums[rows_at_once];
    float unit[rows_at_once];
    float most[rows_at_once];
    float sum[rows_at_once];
    for (size_t begin = 0; begin < task.rows; begin += rows_at_once) {
        const size_t rows = task.rows - begin < rows_at_once ? task.rows - begin : rows_at_once;
        for (size_t r = 0; r < rows; ++r) {
            turn_row(task, task.queries + (begin + r) * dim, row);
            Floats largest{};
            for (size_t at = 0; at < dim; at += lanes) {
                const Floats folded = load<Floats>(row + at) * scales(page.k_scale + at);
                largest = greater(largest, magnitude(folded));
                store(row + at, folded);
            }
            unit[r] = to_digits(row, dim, greatest(largest), digits + r * 2 * dim, sums + r);
        }
        Tile::multiply({rows, 2, digits, sums, page.k, begin == 0 ? next.k : page.k, dim, page_tokens, products, page_tokens});
        for (size_t r = 0; r < rows; ++r) {
            for (size_t at = 0; at < page_tokens; at += lanes) {
                const Ints product = load<Ints>(products + r * page_tokens + at);
                store(logits + at, __builtin_convertvector(product, Floats) * unit[r]);
            }
            most[r] = weigh(logits, task.first[begin + r], task.last[begin + r], sum + r);
            Floats largest{};
            for (size_t at = 0; at < page_tokens; at += lanes) {
                const Floats folded = load<Floats>(logits + at) * scales(page.v_scale + at);
                largest = greater(largest, folded);
                store(logits + at, folded);
            }
            unit[r] = to_digits(logits, page_tokens, greatest(largest), digits + r * 2 * page_tokens, sums + r);
        }
        Tile::multiply({rows, 2, digits, sums, page.v, begin == 0 ? next.v : page.v, page_tokens, dim, summed, dim});
        for (size_t r = 0; r < rows; ++r) {
            if (task.first[begin + r] >= task.last[begin + r]) {
                continue;
            }
            const Factors factors = join(task.partial.most + begin + r, task.partial.sum + begin + r, most[r], sum[r]);
            float *out = task.partial.out + (begin + r) * dim;
            for (size_t at = 0; at < dim; at += lanes) {
                const Floats values = __builtin_convertvector(load<Ints>(summed + r * dim + at), Floats);
                // In this order, so that a page by itself and then merged gives the same bits.
                store(out + at, load<Floats>(out + at) * factors.old_part + (values * unit[r]) * factors.new_part);
            }
        }
    }
}

void attend_tail(const AttendTask &task, const TailView &tail) {
    const size_t dim = task.head_dim;
    alignas(64) float row[most_head_dim];
    alignas(64) float logits[page_tokens];
    alignas(64) float values[most_head_dim];
    for (size_t r = 0; r < task.rows; ++r) {
        const int first = task.first[r];
        const int last = task.last[r];
        if (first >= last) {
            continue;
        }
        turn_row(task, task.queries + r * dim, row);
        for (size_t at = 0; at < page_tokens; at += lanes) {
            store(logits + at, Floats{});
        }
        for (int token = first; token < last; ++token) {
            const float *key = tail.k + static_cast<size_t>(token) * tail.stride;
            Floats products{};
            for (size_t at = 0; at < dim; at += lanes) {
                products += load<Floats>(row + at) * load<Floats>(key + at);
            }
            logits[token] = total(products);
        }
        float sum = 0;
        const float most = weigh(logits, first, last, &sum);
        const Factors factors = join(task.partial.most + r, task.partial.sum + r, most, sum);
        for (size_t at = 0; at < dim; at += lanes) {
            store(values + at, Floats{});
        }
        for (int token = first; token < last; ++token) {
            const float *value = tail.v + static_cast<size_t>(token) * tail.stride;
            const float weight = logits[token];
            for (size_t at = 0; at < dim; at += lanes) {
                store(values + at, load<Floats>(values + at) + load<Floats>(value + at) * weight);
            }
        }
        float *out = task.partial.out + r * dim;
        for (size_t at = 0; at < dim; at += lanes) {
            store(out + at, load<Floats>(out + at) * factors.old_part + load<Floats>(values + at) * factors.new_part);
        }
    }
}

void merge_partials(size_t rows, size_t head_dim, const Partial &into, const Partial &from) {
    for (size_t r = 0; r < rows; ++r) {
        if (from.most[r] == nothing_seen) {
            continue;
        }
        const Factors factors = join(into.most + r, into.sum + r, from.most[r], from.sum[r]);
        float *out = into.out + r * head_dim;
        const float *more = from.out + r * head_dim;
        for (size_t at = 0; at < head_dim; at += lanes) {
            store(out + at, load<Floats>(out + at) * factors.old_part + load<Floats>(more + at) * factors.new_part);
        }
    }
}

void softmax_into(int32_t *scores, size_t count, float scale, float factor, float *mass) {
    const Ints none = Ints{} + INT32_MIN;
    Floats most = spread(nothing_seen);
    for (size_t at = 0; at < count; at += lanes) {
        const Ints score = load<Ints>(scores + at);
        const Floats logit = __builtin_convertvector(score, Floats) * scale;
        const Floats kept = score == none ? spread(nothing_seen) : logit;
        most = greater(most, kept);
        store(scores + at, kept);
    }
    const float largest = greatest(most);
    Floats sums{};
    for (size_t at = 0; at < count; at += lanes) {
        const Floats weight = exponential(load<Floats>(scores + at) - largest);
        store(scores + at, weight);
        sums += weight;
    }
    const float share = factor / total(sums);
    for (size_t at = 0; at < count; at += lanes) {
        store(mass + at, load<Floats>(mass + at) + load<Floats>(scores + at) * share);
    }
}

} // namespace
} // namespace nexus::engine
