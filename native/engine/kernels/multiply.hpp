// Matrix products: rows of a matrix times quantised tokens.
//
// The result for one token does not depend on which tokens stand beside it, nor on the number of
// threads: the same additions happen in the same order. Another instruction set may round differently.
#pragma once

#include <cstddef>
#include <span>

#include "../threads/pool.hpp"
#include "activations.hpp"
#include "matrix.hpp"

namespace nexus::engine {

/// out[token * stride + row] for each token and each row of the matrix.
struct Product {
    const Matrix *matrix;
    float *out;
    size_t stride;
};

/// out[token * out_stride + row] = row of `matrix` . token. LimitError: the columns differ, or a stride
/// is below the rows.
void multiply(const Matrix &matrix, const Activations &activations, float *out, size_t out_stride, Pool &pool);

/// Several matrices times the same tokens in one parallel run. Errors as above, before anything is done.
void multiply(std::span<const Product> products, const Activations &activations, Pool &pool);

} // namespace nexus::engine
