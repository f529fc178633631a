// The values that Python holds: a model with everything that belongs to it, a store, a context.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <array>
#include <string>
#include <vector>

#include "engine/attention/context.hpp"
#include "engine/gguf/file.hpp"
#include "engine/graph/config.hpp"
#include "engine/graph/forward.hpp"
#include "engine/graph/weights.hpp"
#include "engine/paging/block_file.hpp"
#include "engine/paging/page_pool.hpp"
#include "engine/threads/pool.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace nexus::engine::python {

namespace nb = nanobind;

template <typename Value, int Dimensions>
using Array = nb::ndarray<nb::numpy, Value, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

struct LoadedModel {
    LoadedModel(const std::string &path, unsigned threads);

    GgufFile file;
    ModelConfig config;
    Tokenizer tokenizer;
    Pool pool;
    Weights weights;
    Forward forward;
};

struct OpenStore {
    OpenStore(const std::string &path, const LoadedModel &model, nb::bytes model_id, size_t ram_bytes,
              uint64_t capacity_blocks);

    BlockFile blocks;
    PagePool pages;
};

struct StoredContext {
    StoredContext(const LoadedModel &model, OpenStore &store, const PagingLimits &limits);

    Context context;
    std::vector<NewBlock> fresh; ///< full blocks that Python has not heard of
};

/// On the disk, of 128 tokens of a context in all layers.
size_t block_bytes(const LoadedModel &model);

/// Tokens from an int32 array or any sequence of integers.
std::vector<int32_t> token_list(nb::handle tokens);

void define_tokenizer(nb::module_ &module); // engine_tokenizer.cpp
void define_store(nb::module_ &module);     // engine_store.cpp
void define_bench(nb::module_ &module);     // engine_bench.cpp

} // namespace nexus::engine::python
