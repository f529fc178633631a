// Packed matrices and their products: packing keeps every weight, the plain kernels give what dequantising
// gives, and the fast kernels give what the plain ones give.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/error.hpp"
#include "engine/gguf/dequantise.hpp"
#include "engine/kernels/dispatch.hpp"
#include "engine/kernels/multiply.hpp"
#include "made_tensor.hpp"

using namespace nexus::engine;

namespace {

constexpr InstructionSet all_sets[] = {InstructionSet::scalar, InstructionSet::avx2, InstructionSet::avxvnni,
                                       InstructionSet::avx512};

const char *set_name(InstructionSet set) { return kernel_set(set)->name; }

std::vector<float> multiplied(const Matrix &matrix, const Activations &activations, Pool &pool) {
    const size_t stride = matrix.rows() + 3;
    std::vector<float> out(activations.tokens() * stride, -77.0F);
    multiply(matrix, activations, out.data(), stride, pool);
    for (size_t i = 0; i < out.size(); ++i) {
        CHECK(i % stride < matrix.rows() || out[i] == -77.0F, "nothing is written past the rows");
    }
    return out;
}

void check_packing(const Made &made, const Matrix &matrix) {
    std::vector<float> wanted(made.tensor.columns()), got(made.tensor.columns());
    for (size_t row = 0; row < matrix.rows(); ++row) {
        dequantise_rows(made.tensor, row, 1, wanted.data());
        matrix.row(row, got.data());
        for (size_t i = 0; i < got.size(); ++i) {
            CHECK(got[i] == wanted[i], "%s row %zu column %zu: %g, not %g", type_name(made.tensor.type), row, i,
                  static_cast<double>(got[i]), static_cast<double>(wanted[i]));
            if (got[i] != wanted[i]) {
                return;
            }
        }
    }
}

// `magnitude` is what the rounding errors of a sum are relative to: the sum of the magnitudes of its terms.
void check_product(TensorType type, const char *what, float got, double wanted, double magnitude, double tolerance) {
    CHECK(std::fabs(static_cast<double>(got) - wanted) <= tolerance * magnitude, "%s %s: %.9g, not %.9g of %g",
          type_name(type), what, static_cast<double>(got), wanted, magnitude);
}

void check_type(TensorType type, size_t rows, size_t columns, size_t tokens, Data data, Scaling scaling, Pool &pool) {
    const Made made(type, rows, columns, data);
    const Matrix matrix = Matrix::pack(made.tensor, pool);
    CHECK(matrix.rows() == rows && matrix.columns() == columns, "%s", type_name(type));
    check_packing(made, matrix);
    const std::vector<float> x = made_tokens(tokens, columns, data);
    use_kernels(InstructionSet::scalar);
    Activations activations;
    quantise(x.data(), tokens, columns, columns, scaling, activations, pool);
    const std::vector<float> plain = multiplied(matrix, activations, pool);
    const size_t stride = rows + 3;
    std::vector<double> magnitudes(plain.size());
    std::vector<float> weights(columns), token(columns);
    for (size_t t = 0; t < tokens; ++t) {
        activations.dequantise(t, token.data());
        for (size_t row = 0; row < rows; ++row) {
            matrix.row(row, weights.data());
            double sum = 0, &magnitude = magnitudes[t * stride + row];
            const float *values = matrix.packing() == Packing::f32 ? &x[t * columns] : token.data();
            for (size_t i = 0; i < columns; ++i) {
                const double term = static_cast<double>(weights[i]) * static_cast<double>(values[i]);
                sum += term;
                magnitude += std::fabs(term);
            }
            magnitude += 1e-30;
            check_product(type, "scalar", plain[t * stride + row], sum, magnitude, 2e-6);
            if (data == Data::exact && scaling == Scaling::per_group) {
                CHECK(static_cast<double>(plain[t * stride + row]) == sum, "%s exact", type_name(type));
            }
        }
    }
    for (const InstructionSet set : all_sets) {
        if (!use_kernels(set)) {
            continue;
        }
        quantise(x.data(), tokens, columns, columns, scaling, activations, pool);
        const std::vector<float> fast = multiplied(matrix, activations, pool);
        for (size_t i = 0; i < fast.size(); ++i) {
            if (i % stride >= rows) {
                continue;
            }
            if (data == Data::exact) {
                CHECK(fast[i] == plain[i], "%s %s: %.9g, not %.9g", set_name(set), type_name(type),
                      static_cast<double>(fast[i]), static_cast<double>(plain[i]));
            } else {
                check_product(type, set_name(set), fast[i], static_cast<double>(plain[i]), magnitudes[i], 2e-6);
            }
        }
    }
}

void test_all_types(Pool &pool) {
    for (const TensorType type : all_types) {
        const size_t unit = block_elements(type);
        for (const Data data : {Data::random, Data::extreme, Data::exact}) {
            for (const Scaling scaling : {Scaling::per_group, Scaling::per_token}) {
                check_type(type, 16, 256, 1, data, scaling, pool);
                check_type(type, 37, unit == 1 ? 55 : 3 * unit, 5, data, scaling, pool);
                check_type(type, 5, unit == 1 ? 31 : unit, 29, data, scaling, pool);
                check_type(type, 33, 768, 2, data, scaling, pool);
            }
        }
    }
    // So many rows that a task is several row groups.
    check_type(TensorType::q8_0, 1500, 32, 3, Data::exact, Scaling::per_group, pool);
    check_type(TensorType::i2_s, 1500, 128, 18, Data::exact, Scaling::per_token, pool);
}

// Every number of tokens up to two tiles and more gives each token what it gets alone, bit by bit.
void test_token_alone(Pool &pool) {
    for (const InstructionSet set : all_sets) {
        if (!use_kernels(set)) {
            continue;
        }
        for (const TensorType type : {TensorType::q4_k, TensorType::q6_k, TensorType::q8_0, TensorType::q4_1,
                                      TensorType::tq2_0, TensorType::i2_s, TensorType::f32}) {
            const Made made(type, 40, 512, Data::random);
            const Matrix matrix = Matrix::pack(made.tensor, pool);
            const Scaling scaling = is_ternary(type) ? Scaling::per_token : Scaling::per_group;
            const std::vector<float> x = made_tokens(35, 512, Data::random);
            std::vector<float> alone(35 * 40), together(35 * 40);
            Activations activations;
            for (size_t token = 0; token < 35; ++token) {
                quantise(&x[token * 512], 1, 512, 512, scaling, activations, pool);
                multiply(matrix, activations, &alone[token * 40], 40, pool);
            }
            for (size_t tokens = 1; tokens <= 35; ++tokens) {
                quantise(x.data(), tokens, 512, 512, scaling, activations, pool);
                multiply(matrix, activations, together.data(), 40, pool);
                CHECK(std::memcmp(alone.data(), together.data(), tokens * 40 * sizeof(float)) == 0, "%s %s of %zu",
                      set_name(set), type_name(type), tokens);
            }
        }
    }
}

// Long one-sided rows: sums beyond 16 bits, and beyond what a float holds exactly.
void test_no_overflow(Pool &pool) {
    for (const size_t columns : {size_t{6912}, size_t{32768}}) {
        for (const TensorType type : {TensorType::i2_s, TensorType::tq2_0, TensorType::tq1_0, TensorType::q8_0,
                                      TensorType::q6_k, TensorType::q4_k, TensorType::q5_k}) {
            for (const Scaling scaling : {Scaling::per_token, Scaling::per_group}) {
                check_type(type, 16, columns, 3, Data::extreme, scaling, pool);
            }
        }
        std::vector<std::byte> ones(columns / 4 * 16 + i2_s_trailer, std::byte{0xaa}); // all codes 2: weights +1
        const float scale = 1;
        std::memcpy(&ones[columns / 4 * 16], &scale, 4);
        const Matrix matrix = Matrix::pack({"ones", TensorType::i2_s, {columns, 16}, ones.data(), ones.size()}, pool);
        const std::vector<float> x(columns, 127.0F);
        for (const InstructionSet set : all_sets) {
            if (!use_kernels(set)) {
                continue;
            }
            Activations activations;
            quantise(x.data(), 1, columns, columns, Scaling::per_token, activations, pool);
            float out[16];
            multiply(matrix, activations, out, 16, pool);
            CHECK(out[0] == 127.0F * static_cast<float>(columns) && out[15] == out[0], "%s: %g", set_name(set),
                  static_cast<double>(out[0]));
        }
    }
}

// A ternary row of one scale, but for a block of zeros, is packed by rows; else by blocks.
void test_ternary_scales(Pool &pool) {
    Made made(TensorType::tq2_0, 20, 768, Data::exact);
    CHECK(Matrix::pack(made.tensor, pool).format() == Format::t2_row, "one scale");
    std::memset(&made.bytes[66], 0x55, 64); // zeros in the second block of the first row, and its scale 0
    std::memset(&made.bytes[66 + 64], 0, 2);
    Matrix matrix = Matrix::pack(made.tensor, pool);
    CHECK(matrix.format() == Format::t2_row, "a block of zeros has no say");
    check_packing(made, matrix);
    made.bytes[66] = std::byte{0x56};
    made.bytes[66 + 65] = std::byte{0x40};
    matrix = Matrix::pack(made.tensor, pool);
    CHECK(matrix.format() == Format::t2_block, "two scales");
    check_packing(made, matrix);
}

void test_quantise(Pool &pool) {
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    for (const InstructionSet set : all_sets) {
        if (!use_kernels(set)) {
            continue;
        }
        for (const Scaling scaling : {Scaling::per_group, Scaling::per_token}) {
            Activations a;
            for (const float bad : {nan, inf, -inf}) {
                std::vector<float> x = made_tokens(2, 70, Data::random), out(70);
                x[40] = bad;
                quantise(x.data(), 2, 70, 70, scaling, a, pool);
                a.dequantise(0, out.data());
                CHECK(std::isnan(out[40]), "%s: what is no number stays none", set_name(set));
                a.dequantise(1, out.data());
                CHECK(!std::isnan(out[40]), "%s: and only there", set_name(set));
            }
            const std::vector<float> zeros(64, 0.0F);
            std::vector<float> out(64, 1.0F);
            quantise(zeros.data(), 1, 64, 64, scaling, a, pool);
            a.dequantise(0, out.data());
            CHECK(out == zeros, "%s: zeros", set_name(set));
            // Halves are rounded to even: 0.5, 1.5, 2.5 of 127 become 0, 2, 2.
            std::vector<float> x(32, 0.0F);
            x[0] = 127.0F, x[1] = 0.5F, x[2] = 1.5F, x[3] = 2.5F, x[4] = -2.5F, x[31] = -127.0F;
            out.resize(32);
            quantise(x.data(), 1, 32, 32, scaling, a, pool);
            a.dequantise(0, out.data());
            CHECK(out[1] == 0 && out[2] == 2 && out[3] == 2 && out[4] == -2 && out[31] == -127, "%s", set_name(set));
        }
    }
}

template <class Error, class F> bool throws(F &&f) {
    try {
        f();
    } catch (const Error &) {
        return true;
    }
    return false;
}

void test_refusals(Pool &pool) {
    Made made(TensorType::q4_k, 4, 512, Data::random);
    Tensor odd = made.tensor;
    odd.shape = {544, 4};
    CHECK(throws<UnsupportedError>([&] { Matrix::pack(odd, pool); }), "544 columns of Q4_K");
    odd.shape = {512, 5};
    CHECK(throws<FormatError>([&] { Matrix::pack(odd, pool); }), "a row that is not there");
    made.bytes[145] = std::byte{0x7c}; // an infinite scale in the second block
    CHECK(throws<FormatError>([&] { Matrix::pack(made.tensor, pool); }), "an infinite scale");
    const Made good(TensorType::q8_0, 16, 64, Data::random);
    const Matrix matrix = Matrix::pack(good.tensor, pool);
    const std::vector<float> x(96, 1.0F);
    Activations activations;
    float out[16];
    quantise(x.data(), 1, 96, 96, Scaling::per_group, activations, pool);
    CHECK(throws<LimitError>([&] { multiply(matrix, activations, out, 16, pool); }), "other columns");
    quantise(x.data(), 1, 64, 96, Scaling::per_group, activations, pool);
    CHECK(throws<LimitError>([&] { multiply(matrix, activations, out, 15, pool); }), "a short stride");
    const auto overlap = [&] { quantise(x.data(), 1, 64, 63, Scaling::per_group, activations, pool); };
    CHECK(throws<LimitError>(overlap), "rows that overlap");
    CHECK(throws<LimitError>([&] { matrix.row(16, out); }), "row 16 of 16");
}

void test_several_products(Pool &pool) {
    use_kernels(InstructionSet::scalar);
    const Made a(TensorType::q4_k, 70, 256, Data::random), b(TensorType::q6_k, 16, 256, Data::random),
        c(TensorType::q8_0, 500, 256, Data::random);
    const Matrix made[] = {Matrix::pack(a.tensor, pool), Matrix::pack(b.tensor, pool), Matrix::pack(c.tensor, pool)};
    const std::vector<float> x = made_tokens(20, 256, Data::random);
    Activations activations;
    quantise(x.data(), 20, 256, 256, Scaling::per_group, activations, pool);
    std::vector<std::vector<float>> outs;
    std::vector<Product> products;
    for (size_t i = 0; i < 12; ++i) {
        outs.emplace_back(20 * made[i % 3].rows());
    }
    for (size_t i = 0; i < 12; ++i) {
        products.push_back({&made[i % 3], outs[i].data(), made[i % 3].rows()});
    }
    multiply(products, activations, pool);
    for (size_t i = 0; i < 12; ++i) {
        std::vector<float> one(outs[i].size());
        multiply(made[i % 3], activations, one.data(), made[i % 3].rows(), pool);
        CHECK(one == outs[i], "product %zu", i);
    }
}

} // namespace

int main() {
    for (const unsigned threads : {1U, 3U}) {
        Pool pool(threads);
        test_all_types(pool);
        test_token_alone(pool);
        test_no_overflow(pool);
        test_ternary_scales(pool);
        test_quantise(pool);
        test_refusals(pool);
        test_several_products(pool);
    }
    if (failures != 0) {
        std::fprintf(stderr, "%d checks failed\n", failures);
    }
    return failures != 0;
}
