// nexus._engine.WeightBench and extend_context: what `nexus engine bench` needs below the graph.
//
// Products are timed beside plain reads of the same bytes, turn about, because the bandwidth of a machine that is
// shared moves from second to second. A long context is made out of a short one that a model has read: reading a
// million tokens would take hours, and random keys would make every page equally (un)likely.
#include <emmintrin.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "engine.hpp"
#include "engine/attention/page.hpp"
#include "engine/attention/rope.hpp"
#include "engine/error.hpp"
#include "engine/kernels/multiply.hpp"

namespace nexus::engine::python {
namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The matrices of a model that have one packing, in the order in which a token meets them.
class WeightBench {
  public:
    WeightBench(LoadedModel &model, std::string packing) : pool_(model.pool), packing_(std::move(packing)) {
        const Scaling scaling = model.config.ternary ? Scaling::per_token : Scaling::per_group;
        for (uint32_t layer = 0; layer < model.config.layers; ++layer) {
            const LayerWeights &weights = model.weights.layer(layer);
            for (const Linear *linear :
                 {&weights.q, &weights.k, &weights.v, &weights.o, &weights.gate, &weights.up, &weights.down}) {
                add(linear->matrix, scaling);
            }
        }
        add(model.weights.head(), Scaling::per_group);
    }

    size_t bytes() const { return bytes_; }
    size_t weights() const { return weights_; }

    /// Every byte of every matrix, one stream for each thread, nothing computed but a sum.
    double read() {
        const double start = seconds();
        for (const Item &item : items_) {
            const auto *data = reinterpret_cast<const __m128i *>(item.matrix->row_group_data(0));
            const size_t workers = pool_.size();
            const size_t lines = item.matrix->row_groups() * item.matrix->row_group_bytes() / 64;
            pool_.run(workers, [&](size_t part, unsigned) noexcept {
                total_ += sum(data + lines * part / workers * 4, data + lines * (part + 1) / workers * 4);
            });
        }
        return seconds() - start;
    }

    /// Every matrix times `tokens` tokens, quantising them included.
    double multiply(size_t tokens) {
        if (tokens == 0 || tokens > most_step_tokens) {
            throw LimitError("products of " + std::to_string(tokens) + " tokens; 1 to " +
                             std::to_string(most_step_tokens) + " go at once");
        }
        size_t columns = 0;
        size_t rows = 0;
        for (const Item &item : items_) {
            columns = std::max(columns, item.matrix->columns());
            rows = std::max(rows, item.matrix->rows());
        }
        while (input_.size() < tokens * columns) {
            input_.push_back(static_cast<float>(input_.size() * 2654435761U % 1000) / 500.0F - 1.0F);
        }
        output_.resize(std::max(output_.size(), tokens * rows));
        const double start = seconds();
        for (const Item &item : items_) {
            const size_t width = item.matrix->columns();
            quantise(input_.data(), tokens, width, width, item.scaling, activations_, pool_);
            engine::multiply(*item.matrix, activations_, output_.data(), item.matrix->rows(), pool_);
        }
        return seconds() - start;
    }

  private:
    struct Item {
        const Matrix *matrix;
        Scaling scaling;
    };

    void add(const Matrix &matrix, Scaling scaling) {
        if (packing_.empty() || packing_ == packing_name(matrix.packing())) {
            items_.push_back({&matrix, scaling});
            bytes_ += matrix.bytes();
            weights_ += matrix.rows() * matrix.columns();
        }
    }

    static uint64_t sum(const __m128i *at, const __m128i *end) noexcept {
        __m128i a = _mm_setzero_si128();
        __m128i b = a;
        __m128i c = a;
        __m128i d = a;
        for (; at < end; at += 4) {
            _mm_prefetch(reinterpret_cast<const char *>(at) + 6144, _MM_HINT_T0);
            a = _mm_xor_si128(a, _mm_load_si128(at));
            b = _mm_xor_si128(b, _mm_load_si128(at + 1));
            c = _mm_xor_si128(c, _mm_load_si128(at + 2));
            d = _mm_xor_si128(d, _mm_load_si128(at + 3));
        }
        return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d))));
    }

    Pool &pool_;
    std::string packing_;
    std::vector<Item> items_;
    size_t bytes_ = 0;
    size_t weights_ = 0;
    std::vector<float> input_;
    std::vector<float> output_;
    Activations activations_;
    std::atomic<uint64_t> total_{0}; ///< so that no read is left out
};

/// The same numbers each time, -1 to 1.
class Noise {
  public:
    explicit Noise(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 0x632BE59BD9B4E019U) {}

    uint64_t bits() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return state_;
    }
    float unit() { return static_cast<float>(static_cast<int64_t>(bits() >> 40U) - (1 << 23)) / (1 << 23); }

  private:
    uint64_t state_;
};

Rope rope_of(const ModelConfig &config) {
    Rope rope;
    rope.base = config.rope_base;
    rope.dims = config.rope_dims;
    rope.neox = config.rope_neox;
    rope.scale = config.rope_scale;
    rope.factors = config.rope_factors;
    return rope;
}

/// Makes new blocks out of stored ones: their keys and values, each channel of each block scaled a little.
class Extension {
  public:
    Extension(const LoadedModel &model, OpenStore &store, StoredContext &stored, uint64_t seed)
        : store_(store), stored_(stored), shape_{model.config.layers, model.config.kv_heads, model.config.heads,
                                                 model.config.head_dim},
          layout_(shape_), rope_(rope_of(model.config), shape_.head_dim), noise_(seed),
          keys_(page_tokens * shape_.kv_width()), values_(keys_.size()), factors_(2 * shape_.kv_width()) {}

    void add(size_t blocks, size_t sources) {
        const std::vector<uint32_t> slots(stored_.context.slots().begin(), stored_.context.slots().end());
        for (size_t block = 0; block < blocks; ++block) {
            const uint32_t source = slots[1 + noise_.bits() % (sources - 1)]; // the first block is like no other
            stored_.context.begin(page_tokens);
            for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
                take({source, layer});
                stored_.context.append(layer, keys_.data(), values_.data());
            }
            const auto full = stored_.context.end();
            stored_.fresh.insert(stored_.fresh.end(), full.begin(), full.end());
        }
    }

  private:
    void take(PagePool::Key key) {
        const std::byte *page = store_.pages.wait(key);
        layout_.read(page, keys_.data(), values_.data());
        store_.pages.unpin(page);
        for (float &factor : factors_) {
            factor = 1.0F + 0.05F * noise_.unit();
        }
        const size_t width = shape_.kv_width();
        std::vector<float> &row = row_;
        row.resize(shape_.head_dim);
        for (size_t token = 0; token < page_tokens; ++token) {
            for (size_t head = 0; head < shape_.kv_heads; ++head) {
                float *key_row = keys_.data() + token * width + head * shape_.head_dim;
                rope_.leave(key_row, token, row.data());
                std::copy(row.begin(), row.end(), key_row);
            }
            for (size_t channel = 0; channel < width; ++channel) {
                keys_[token * width + channel] *= factors_[channel];
                values_[token * width + channel] *= factors_[width + channel];
            }
        }
    }

    OpenStore &store_;
    StoredContext &stored_;
    const KvShape shape_;
    const PageLayout layout_;
    const RopeTable rope_;
    Noise noise_;
    std::vector<float> keys_, values_, factors_, row_;
};

void extend_context(const LoadedModel &model, OpenStore &store, StoredContext &stored, size_t blocks, size_t sources,
                    uint64_t seed) {
    if (stored.context.tokens() % page_tokens != 0 || sources < 2 || sources > stored.context.slots().size()) {
        throw LimitError("a context of " + std::to_string(stored.context.tokens()) + " tokens cannot grow out of " +
                         std::to_string(sources) + " blocks; it needs whole blocks, two or more");
    }
    if (model.config.local_pattern != 0) {
        throw UnsupportedError("a context with layers that see a window only is not extended");
    }
    Extension(model, store, stored, seed).add(blocks, sources);
}

} // namespace

void define_bench(nb::module_ &module) {
    nb::class_<WeightBench>(module, "WeightBench")
        .def(nb::init<LoadedModel &, std::string>(), nb::arg("model"), nb::arg("packing") = "",
             nb::keep_alive<1, 2>())
        .def_prop_ro("bytes", &WeightBench::bytes)
        .def_prop_ro("weights", &WeightBench::weights)
        .def("read", &WeightBench::read, nb::call_guard<nb::gil_scoped_release>())
        .def("multiply", &WeightBench::multiply, nb::arg("tokens"), nb::call_guard<nb::gil_scoped_release>());
    module.def("extend_context", &extend_context, nb::arg("model"), nb::arg("store"), nb::arg("context"),
               nb::arg("blocks"), nb::arg("sources"), nb::arg("seed") = 1, nb::call_guard<nb::gil_scoped_release>());
}

} // namespace nexus::engine::python
