#include "weights.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "../error.hpp"
#include "../gguf/dequantise.hpp"

namespace nexus::engine {
namespace {

void give_back(const Tensor &tensor) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto first = (reinterpret_cast<uintptr_t>(tensor.data) + page - 1) / page * page;
    const auto last = (reinterpret_cast<uintptr_t>(tensor.data) + tensor.bytes) / page * page;
    if (last > first) {
        // Advice only: a private read-only mapping of a file loses nothing by it.
        madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
    }
}

std::string shape_text(uint64_t rows, uint64_t columns) {
    return std::to_string(rows) + " x " + std::to_string(columns);
}

class Reader {
  public:
    Reader(const GgufFile &file, Pool &pool) : file_(file), pool_(pool) {}

    std::vector<float> vector(const std::string &name, uint64_t size) {
        const Tensor &tensor = file_.tensor(name);
        used_.insert(name);
        if (tensor.elements() != size) {
            throw FormatError(name + " has " + std::to_string(tensor.elements()) + " elements, not " +
                              std::to_string(size));
        }
        std::vector<float> out(size);
        dequantise(tensor.type, tensor.data, size, out.data());
        if (!std::ranges::all_of(out, [](float value) { return std::isfinite(value); })) {
            throw FormatError(name + " holds a value that is not a finite number; download the model again");
        }
        return out;
    }

    Matrix matrix(const std::string &name, uint64_t rows, uint64_t columns) {
        const Tensor &tensor = file_.tensor(name);
        used_.insert(name);
        if (tensor.rows() != rows || tensor.columns() != columns) {
            throw FormatError(name + " is " + shape_text(tensor.rows(), tensor.columns()) + ", not " +
                              shape_text(rows, columns));
        }
        Matrix packed = Matrix::pack(tensor, pool_);
        give_back(tensor);
        return packed;
    }

    Linear linear(const std::string &name, uint64_t rows, uint64_t columns) {
        Linear out{matrix(name + ".weight", rows, columns), {}, 1};
        if (file_.find(name + ".bias") != nullptr) {
            out.bias = vector(name + ".bias", rows);
        }
        if (file_.find(name + ".scale") != nullptr) {
            out.scale = vector(name + ".scale", 1).front();
        }
        return out;
    }

    void use(const std::string &name) { used_.insert(name); }

    void refuse_unused() const {
        for (const Tensor &tensor : file_.tensors()) {
            if (!used_.contains(tensor.name)) {
                throw UnsupportedError("the model has a tensor " + tensor.name +
                                       " that this engine does not compute with; set engine.kind to llamacpp");
            }
        }
    }

  private:
    const GgufFile &file_;
    Pool &pool_;
    std::set<std::string> used_;
};

LayerWeights read_layer(Reader &reader, const ModelConfig &config, uint32_t index) {
    const std::string at = "blk." + std::to_string(index) + ".";
    const uint64_t queries = uint64_t{config.heads} * config.head_dim;
    const uint64_t keys = uint64_t{config.kv_heads} * config.head_dim;
    LayerWeights layer;
    layer.attention_norm = reader.vector(at + "attn_norm.weight", config.width);
    layer.feed_forward_norm = reader.vector(at + "ffn_norm.weight", config.width);
    if (config.ternary) {
        layer.attention_sub_norm = reader.vector(at + "attn_sub_norm.weight", queries);
        layer.feed_forward_sub_norm = reader.vector(at + "ffn_sub_norm.weight", config.feed_forward);
    }
    if (config.head_norms) {
        layer.q_norm = reader.vector(at + "attn_q_norm.weight", config.head_dim);
        layer.k_norm = reader.vector(at + "attn_k_norm.weight", config.head_dim);
    }
    if (config.post_norms) {
        layer.post_attention_norm = reader.vector(at + "post_attention_norm.weight", config.width);
        layer.post_feed_forward_norm = reader.vector(at + "post_ffw_norm.weight", config.width);
    }
    layer.q = reader.linear(at + "attn_q", queries, config.width);
    layer.k = reader.linear(at + "attn_k", keys, config.width);
    layer.v = reader.linear(at + "attn_v", keys, config.width);
    layer.o = reader.linear(at + "attn_output", config.width, queries);
    layer.gate = reader.linear(at + "ffn_gate", config.feed_forward, config.width);
    layer.up = reader.linear(at + "ffn_up", config.feed_forward, config.width);
    layer.down = reader.linear(at + "ffn_down", config.width, config.feed_forward);
    return layer;
}

size_t matrix_bytes(const LayerWeights &layer) {
    size_t sum = 0;
    for (const Linear *linear :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
        sum += linear->matrix.bytes();
    }
    return sum;
}

} // namespace

Weights::Weights(const GgufFile &file, const ModelConfig &config, Pool &pool)
    : words_(&file.tensor("token_embd.weight")), word_bytes_(words_->bytes / words_->rows()) {
    Reader reader(file, pool);
    reader.use("token_embd.weight");
    reader.use("rope_freqs.weight");
    output_norm_ = reader.vector("output_norm.weight", config.width);
    const bool tied = file.find("output.weight") == nullptr;
    head_ = reader.matrix(tied ? "token_embd.weight" : "output.weight", config.vocabulary, config.width);
    bytes_ = head_.bytes();
    layers_.reserve(config.layers);
    for (uint32_t index = 0; index < config.layers; ++index) {
        layers_.push_back(read_layer(reader, config, index));
        bytes_ += matrix_bytes(layers_.back());
    }
    reader.refuse_unused();
}

void Weights::embedding(uint32_t token, float *out) const {
    dequantise(words_->type, words_->data + size_t{token} * word_bytes_, words_->columns(), out);
}

void Weights::give_words_back() const { give_back(*words_); }

} // namespace nexus::engine
