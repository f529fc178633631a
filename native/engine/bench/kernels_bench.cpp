// The speed of the kernels on this machine, as JSON on standard output.
//
// Matrix-vector products are compared with plain reads of the same bytes in the same process, turn about,
// because the bandwidth of a shared machine moves from second to second. Matrix-matrix products are given
// in multiply-adds. One line for each of: packing, threads, tokens.
//
//   kernels_bench [repeats = 7] [megabytes of weights = 384] [scalar|avx2|avxvnni|avx512] [part of a packing's name]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "../gguf/types.hpp"
#include "../kernels/dispatch.hpp"
#include "../kernels/multiply.hpp"
#include "../threads/pool.hpp"

using namespace nexus::engine;

namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Shape {
    size_t rows, columns;
};

// Weights of one type, in matrices of the shapes of one layer, again and again until they are large.
struct Model {
    const char *name;
    TensorType type;
    Scaling scaling;
    std::vector<Matrix> matrices;
    size_t bytes = 0, weights = 0;

    Model(const char *label, TensorType kind, Scaling scales, const std::vector<Shape> &shapes, size_t wanted,
          Pool &pool)
        : name(label), type(kind), scaling(scales) {
        while (bytes < wanted) {
            for (const Shape &shape : shapes) {
                add(shape, pool);
            }
        }
    }

    void add(const Shape &shape, Pool &pool) {
        const size_t size = block_bytes(type), blocks = shape.rows * shape.columns / block_elements(type);
        std::vector<std::byte> data(blocks * size + i2_s_trailer);
        uint64_t random = 88172645463325252U;
        for (size_t i = 0; i + 8 <= data.size(); i += 8) {
            random ^= random << 13U, random ^= random >> 7U, random ^= random << 17U;
            std::memcpy(&data[i], &random, 8);
        }
        const uint16_t half = 0x1c00;
        for (size_t block = 0; block < blocks; ++block) { // one finite scale wherever a type has one
            const size_t at = type == TensorType::q6_k ? 208 : type == TensorType::tq2_0 ? 64 : 0;
            std::memcpy(&data[block * size + at], &half, 2);
            if (type == TensorType::q4_k || type == TensorType::q5_k || type == TensorType::q4_1) {
                std::memcpy(&data[block * size + 2], &half, 2);
            }
        }
        matrices.push_back(Matrix::pack({name, type, {shape.columns, shape.rows}, data.data(), data.size()}, pool));
        bytes += matrices.back().bytes();
        weights += shape.rows * shape.columns;
    }
};

// What reads cost: every byte of every matrix, one stream for each thread, nothing computed but a sum.
double read_all(const Model &model, Pool &pool) {
    static std::atomic<uint64_t> total{0};
    const double start = now();
    for (const Matrix &matrix : model.matrices) {
        const size_t size = matrix.bytes(), workers = pool.size(), lines = size / 64;
        pool.run(workers, [&](size_t part, unsigned) noexcept {
            using Words [[gnu::vector_size(16), gnu::may_alias]] = uint64_t;
            const auto *first = reinterpret_cast<const Words *>(matrix.row_group_data(0));
            const Words *at = first + lines * part / workers * 4, *end = first + lines * (part + 1) / workers * 4;
            Words a{}, b{}, c{}, d{}; // separate sums: the additions must not wait for each other
            for (; at < end; at += 4) {
                __builtin_prefetch(at + 384);
                a ^= at[0];
                b ^= at[1];
                c ^= at[2];
                d ^= at[3];
            }
            const Words sum = a ^ b ^ c ^ d;
            total += sum[0] + sum[1];
        });
    }
    return now() - start;
}

double multiply_all(const Model &model, size_t tokens, Pool &pool, std::vector<float> &out) {
    static std::vector<float> x;
    size_t most = 0;
    for (const Matrix &matrix : model.matrices) {
        most = std::max(most, matrix.columns());
    }
    if (x.size() < most * tokens) {
        x.resize(most * tokens);
        for (size_t i = 0; i < x.size(); ++i) {
            x[i] = static_cast<float>(i * 2654435761U % 1000) / 500.0F - 1.0F;
        }
    }
    static Activations activations;
    const double start = now();
    for (const Matrix &matrix : model.matrices) {
        quantise(x.data(), tokens, matrix.columns(), matrix.columns(), model.scaling, activations, pool);
        if (out.size() < tokens * matrix.rows()) {
            out.resize(tokens * matrix.rows());
        }
        multiply(matrix, activations, out.data(), matrix.rows(), pool);
    }
    return now() - start;
}

struct Times {
    std::vector<double> seconds;
    std::string rates(double amount) { // "[min, median, max]" of amount / seconds, in 10^9
        std::sort(seconds.begin(), seconds.end());
        char text[96];
        std::snprintf(text, sizeof text, "[%.1f, %.1f, %.1f]", amount / seconds.back() / 1e9,
                      amount / seconds[seconds.size() / 2] / 1e9, amount / seconds.front() / 1e9);
        return text;
    }
};

void measure(const Model &model, size_t tokens, int repeats, Pool &pool) {
    std::vector<float> out;
    for (const unsigned threads : {1U, 2U}) {
        Times read, product;
        std::vector<double> shares;
        pool.resize(threads);
        multiply_all(model, tokens, pool, out);
        for (int turn = 0; turn < repeats; ++turn) {
            const double reading = tokens == 1 ? read_all(model, pool) : 1;
            const double multiplying = multiply_all(model, tokens, pool, out);
            if (tokens == 1) {
                read.seconds.push_back(reading);
                shares.push_back(reading / multiplying);
            }
            product.seconds.push_back(multiplying);
        }
        std::printf("  {\"packing\": \"%s\", \"threads\": %u, \"tokens\": %zu, \"megabytes\": %zu, ", model.name,
                    threads, tokens, model.bytes >> 20U);
        if (tokens == 1) {
            std::sort(shares.begin(), shares.end());
            std::printf("\"read_gb_s\": %s, \"gb_s\": %s, \"share\": [%.2f, %.2f, %.2f], ",
                        read.rates(static_cast<double>(model.bytes)).c_str(),
                        product.rates(static_cast<double>(model.bytes)).c_str(), shares.front(),
                        shares[shares.size() / 2], shares.back());
        }
        std::printf("\"gmac_s\": %s},\n", product.rates(static_cast<double>(model.weights * tokens)).c_str());
        std::fflush(stdout);
    }
}

} // namespace

int main(int count, char **arguments) {
    const int repeats = count > 1 ? std::max(1, std::atoi(arguments[1])) : 7;
    const size_t size = static_cast<size_t>(count > 2 ? std::max(1, std::atoi(arguments[2])) : 384) << 20U;
    if (count > 3) {
        const std::string_view name = arguments[3];
        const InstructionSet set = name == "scalar" ? InstructionSet::scalar
                                   : name == "avx2" ? InstructionSet::avx2
                                   : name == "avxvnni" ? InstructionSet::avxvnni
                                                    : InstructionSet::avx512;
        if (!use_kernels(set)) {
            std::fprintf(stderr, "this CPU cannot run the kernels for %s\n", arguments[3]);
            return 1;
        }
    }
    Pool pool(2);
    const std::vector<Shape> qwen = {{1536, 1536}, {256, 1536},  {256, 1536}, {1536, 1536},
                                     {8960, 1536}, {8960, 1536}, {1536, 8960}};
    const std::vector<Shape> bitnet = {{2560, 2560}, {640, 2560},  {640, 2560}, {2560, 2560},
                                       {6912, 2560}, {6912, 2560}, {2560, 6912}};
    std::printf("{\"kernels\": \"%s\", \"rates\": \"[min, median, max] of %d\", \"results\": [\n", kernels().name,
                repeats);
    const struct {
        const char *name;
        TensorType type;
        Scaling scaling;
        const std::vector<Shape> &shapes;
    } kinds[] = {{"t2", TensorType::i2_s, Scaling::per_token, bitnet},
                 {"q4 (Q4_K)", TensorType::q4_k, Scaling::per_group, qwen},
                 {"q4 (Q4_1)", TensorType::q4_1, Scaling::per_group, qwen},
                 {"q4 (Q4_0)", TensorType::q4_0, Scaling::per_group, qwen},
                 {"q5 (Q5_K)", TensorType::q5_k, Scaling::per_group, qwen},
                 {"q6 (Q6_K)", TensorType::q6_k, Scaling::per_group, qwen},
                 {"q8 (Q8_0)", TensorType::q8_0, Scaling::per_group, qwen}};
    for (const auto &kind : kinds) {
        if (count > 4 && std::strstr(kind.name, arguments[4]) == nullptr) {
            continue;
        }
        const Model model(kind.name, kind.type, kind.scaling, kind.shapes, size, pool);
        measure(model, 1, repeats, pool);
        const Model small(kind.name, kind.type, kind.scaling, kind.shapes, size / 12, pool);
        for (const size_t tokens : {size_t{2}, size_t{4}, size_t{8}}) {
            measure(model, tokens, repeats / 2 + 1, pool);
        }
        for (const size_t tokens : {size_t{32}, size_t{128}, size_t{512}}) {
            measure(small, tokens, repeats / 2 + 1, pool);
        }
    }
    std::printf("  null], \"pauses\": %llu}\n", static_cast<unsigned long long>(pool.pauses()));
    return 0;
}
