#include "multiply.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "../error.hpp"
#include "dispatch.hpp"

namespace nexus::engine {
namespace {

// A task is a few row groups times all tokens. For one tile of tokens, as many as make a stream worth
// taking; for more, as many as stay in the second-level cache beside a tile of activations.
constexpr size_t stream_bytes = size_t{16} << 10U;
constexpr size_t cached_bytes = size_t{256} << 10U;
constexpr size_t tasks_per_worker = 8;

struct Part {
    const Product *product;
    size_t task_groups; // row groups in a task
    size_t first_task;
};

size_t groups_in_task(const Matrix &matrix, size_t tokens, unsigned workers) {
    const size_t wanted = tokens <= tile_tokens ? stream_bytes : cached_bytes;
    const size_t most = std::max<size_t>(1, wanted / matrix.row_group_bytes());
    return std::clamp<size_t>(matrix.row_groups() / (workers * tasks_per_worker), 1, most);
}

void multiply_task(const Part &part, size_t task, const Activations &activations, const KernelSet &set) noexcept {
    const Matrix &matrix = *part.product->matrix;
    const MultiplyKernel kernel = set.multiply[static_cast<size_t>(matrix.format())];
    const size_t begin = (task - part.first_task) * part.task_groups;
    const size_t end = std::min(begin + part.task_groups, matrix.row_groups());
    Tile tile{};
    tile.columns = matrix.columns();
    tile.out_stride = part.product->stride;
    for (size_t token = 0; token < activations.tokens(); token += tile_tokens) {
        activations.describe(token, tile);
        for (size_t group = begin; group < end; ++group) {
            tile.weights = matrix.row_group_data(group);
            tile.row_scales = matrix.row_scales(group);
            tile.rows = std::min(row_group, matrix.rows() - group * row_group);
            tile.out = part.product->out + token * part.product->stride + group * row_group;
            kernel(tile);
        }
    }
}

} // namespace

void multiply(std::span<const Product> products, const Activations &activations, Pool &pool) {
    std::array<Part, 8> few;
    std::vector<Part> many;
    std::span<Part> parts = few;
    if (products.size() > few.size()) {
        many.resize(products.size());
        parts = many;
    }
    parts = parts.first(products.size());
    size_t tasks = 0;
    for (size_t i = 0; i < products.size(); ++i) {
        const Matrix &matrix = *products[i].matrix;
        if (matrix.columns() != activations.columns() || products[i].stride < matrix.rows()) {
            throw LimitError("a matrix of " + std::to_string(matrix.rows()) + " x " +
                             std::to_string(matrix.columns()) + " times tokens of " +
                             std::to_string(activations.columns()) + " columns into rows of " +
                             std::to_string(products[i].stride));
        }
        if (matrix.rows() == 0) {
            parts[i] = {&products[i], 1, tasks};
            continue;
        }
        const size_t in_task = groups_in_task(matrix, activations.tokens(), pool.size());
        parts[i] = {&products[i], in_task, tasks};
        tasks += (matrix.row_groups() + in_task - 1) / in_task;
    }
    const KernelSet &set = kernels();
    pool.run(tasks, [&](size_t task, unsigned) noexcept {
        size_t part = 0;
        while (part + 1 < parts.size() && parts[part + 1].first_task <= task) {
            ++part;
        }
        multiply_task(parts[part], task, activations, set);
    });
}

void multiply(const Matrix &matrix, const Activations &activations, float *out, size_t out_stride, Pool &pool) {
    const Product product{&matrix, out, out_stride};
    multiply(std::span(&product, 1), activations, pool);
}

} // namespace nexus::engine
